import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setPasswordHash } from '../directory/users.ts';
import type { UserRow } from '../store/users.ts';
import { cliClientId, credentialsGrantType } from './clients.ts';
import { checkCredentials } from './credentials.ts';
import { PasswordHasher } from './password-hash.ts';
import type { Answer } from './test-browser.ts';
import { loginOrigin, startTestService, type TestService, testPassword } from './test-service.ts';

function grant(service: TestService, username: string, password: string, address?: string): Promise<Answer> {
  return service.browser(address).call(`${loginOrigin}/token`, {
    client_id: cliClientId,
    grant_type: credentialsGrantType,
    username,
    password,
    scope: 'openid api',
  });
}

async function onPage(
  service: TestService,
  name: string,
  password: string,
  address?: string,
): Promise<Answer> {
  const browser = service.browser(address);
  const page = await browser.follow(
    await browser.get('https://portal.example.test/.postern/sign-in?return=/'),
  );
  return await browser.submitSignIn(page, name, password);
}

const isRefused = ({ status }: Answer) => status === 400;

describe('the grant of name and password', () => {
  test('gives an access token and a refresh token for the scope that was asked for', async () => {
    await using service = await startTestService();
    const user = await service.addUser('Ann@Example.test');

    const answer = await grant(service, ' ann@example.TEST', testPassword);

    const body = JSON.parse(answer.body);
    assert.equal(answer.status, 200);
    assert.equal(body.token_type, 'Bearer');
    assert.equal(body.scope, 'openid api');
    assert.ok(body.refresh_token);
    assert.equal((await service.signIn.authenticateBearer(body.access_token))?.userId, user.id);
    assert.match(String(answer.headers['cache-control']), /no-store/);
  });

  test('an account with a second factor is told which way to sign in, once its password is right', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    Object.assign(service.signIn.credentials, {
      hasSecondFactor: ({ userPrincipalName }: UserRow) => userPrincipalName === 'ann',
    });

    const answer = await grant(service, 'ann', testPassword);
    const wrong = await grant(service, 'ann', 'wrong password');

    const { error, error_description: description } = JSON.parse(answer.body);
    assert.equal(answer.status, 400);
    assert.equal(error, 'interaction_required');
    assert.match(description, /second factor.* Sign in with a browser .*--device.* enrolment token/);
    assert.equal(JSON.parse(wrong.body).error, 'invalid_grant');
  });

  test('a scope that the command line may not have is refused', async () => {
    await using service = await startTestService();
    await service.addUser('ann');

    const answer = await service.browser().call(`${loginOrigin}/token`, {
      client_id: cliClientId,
      grant_type: credentialsGrantType,
      username: 'ann',
      password: testPassword,
      scope: 'root',
    });

    assert.equal(answer.status, 400);
    assert.equal(JSON.parse(answer.body).error, 'invalid_scope');
  });
});

describe('threat D13: guessing', () => {
  test('unknown name, wrong password, disabled and never set up accounts are one answer', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    await service.addUser('invited', null);
    const disabled = await service.addUser('disabled');
    await service.db.updateTable('user').set({ accountEnabled: 0 }).where('id', '=', disabled.id).execute();
    const attempts: [string, string][] = [
      ['nobody', testPassword],
      ['ann', 'wrong password'],
      ['disabled', testPassword],
      ['invited', testPassword],
      ['', testPassword],
      ['n'.repeat(5_000), testPassword],
      ['ann', 'p'.repeat(5_000)],
    ];

    const granted = await Promise.all(
      attempts.filter(([name]) => name !== '').map(([name, password]) => grant(service, name, password)),
    );
    const pages = [];
    for (const [name, password] of attempts.slice(0, 5)) pages.push(await onPage(service, name, password));

    for (const answer of granted) {
      assert.equal(answer.status, 400);
      assert.equal(answer.body, granted[0].body);
    }
    const anonymous = ({ body }: Answer) =>
      body
        .replace(/name="username"[^>]*>/, '')
        .replaceAll(/\/interaction\/[\w-]+/g, '')
        .replaceAll(' autofocus', '');
    for (const page of pages) assert.equal(anonymous(page), anonymous(pages[0]));
  });

  test('ten wrong passwords make the right one wait, however the name is spelled and wherever it is typed', async () => {
    await using service = await startTestService();
    await service.addUser('Jos\u00e9@example.test');
    const spellings = ['jos\u00e9@example.test', 'JOSE\u0301@example.test', ' Jos\u00e9@EXAMPLE.test '];
    for (let index = 0; index < 10; index++) {
      const attempt = index % 2 === 0 ? grant : onPage;
      await attempt(service, spellings[index % 3], `wrong password ${index}`, `198.51.100.${index}`);
    }

    const during = await grant(service, 'jos\u00e9@example.test', testPassword);
    const wrong = await grant(service, 'jos\u00e9@example.test', 'wrong password');
    const onThePage = await onPage(service, 'jos\u00e9@example.test', testPassword);
    service.advance(30_001);
    const after = await grant(service, 'jos\u00e9@example.test', testPassword);

    assert.ok(isRefused(during));
    assert.equal(during.body, wrong.body);
    assert.ok(isRefused(onThePage));
    assert.match(onThePage.body, /That name and password do not match\./);
    assert.equal(after.status, 200);
  });

  test('a name that belongs to nobody has to wait alike', async () => {
    await using service = await startTestService();
    for (let index = 0; index < 10; index++) await grant(service, 'nobody', 'wrong', `198.51.100.${index}`);

    const rows = await service.db
      .selectFrom('signInFailure')
      .selectAll()
      .where('key', 'like', 'account:%')
      .execute();

    assert.equal(rows.length, 1);
    assert.ok((rows[0].blockedUntil ?? 0) > Date.now());
    assert.doesNotMatch(rows[0].key, /nobody/);
  });

  test('of a hundred guesses at once, no more than ten are looked at', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const guesses = Array.from({ length: 100 }, (_, index) =>
      grant(service, 'ann', index === 99 ? testPassword : `wrong ${index}`, `198.51.100.${index}`),
    );

    const answers = await Promise.all(guesses);

    const [{ count }] = await service.db
      .selectFrom('signInFailure')
      .select('count')
      .where('key', 'like', 'account:%')
      .execute();
    assert.equal(count, 10);
    assert.ok(answers.every(isRefused));
  });

  test('a right password lets the count begin anew, for the account and for the address', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    for (let index = 0; index < 9; index++) await grant(service, 'ann', 'wrong');

    assert.equal((await grant(service, 'ann', testPassword)).status, 200);
    for (let index = 0; index < 9; index++) await grant(service, 'ann', 'wrong');

    assert.equal((await grant(service, 'ann', testPassword)).status, 200);
  });

  test('an address that tries many names has to wait, and others do not', async () => {
    await using service = await startTestService({ maxFailuresPerAddress: 5 });
    await service.addUser('ann');
    for (let index = 0; index < 5; index++)
      await grant(service, `name${index}`, 'wrong', `2001:db8::${index}`);

    assert.ok(isRefused(await grant(service, 'ann', testPassword, '2001:db8::ffff')));
    assert.equal((await grant(service, 'ann', testPassword, '2001:db8:0:1::1')).status, 200);
  });

  test('a password that was changed while it was looked at signs nobody in', async () => {
    await using service = await startTestService();
    const { id } = await service.addUser('ann');
    const { credentials } = service.signIn;
    const another = await credentials.hasher.hash('another password');
    class SlowHasher extends PasswordHasher {
      override async verify(password: string, phc: string | null): Promise<boolean> {
        const matches = await super.verify(password, phc);
        await setPasswordHash(service.directory, id, another);
        return matches;
      }
    }

    const account = await checkCredentials(
      { ...credentials, hasher: new SlowHasher() },
      { name: 'ann', password: testPassword, address: '192.0.2.1' },
    );

    assert.equal(account, null);
  });

  test('an attempt that nobody had time to look at is not counted', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const hasher = new PasswordHasher({ concurrency: 0, maxWaiting: 0 });

    const attempt = checkCredentials(
      { ...service.signIn.credentials, hasher },
      { name: 'ann', password: testPassword, address: '192.0.2.1' },
    );

    await assert.rejects(attempt, { code: 'busy' });
    const counts = await service.db.selectFrom('signInFailure').select('count').execute();
    assert.ok(counts.every(({ count }) => count === 0));
  });
});
