import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cliClientId, credentialsGrantType } from './clients.ts';
import type { Answer, Browser } from './test-browser.ts';
import { loginOrigin, startTestService, type TestService, testPassword } from './test-service.ts';

const wiki = 'https://wiki.example.test';

async function signIn(browser: Browser, name: string, password: string): Promise<Answer> {
  const page = await browser.follow(await browser.get(`${wiki}/.postern/sign-in?return=/`));
  const answer = await browser.submitSignIn(page, name, password);
  return answer.status >= 400 ? answer : browser.follow(answer, url => url.href === `${wiki}/`);
}

function eventsOf({ logged }: TestService, name: string): Readonly<Record<string, unknown>>[] {
  return logged.filter(({ event }) => event === name);
}

describe('the log of sign-ins', () => {
  test('has who signed in, from where and to which application, and the session that began', async () => {
    await using service = await startTestService();
    await service.addApplication('wiki');
    const { id: userId } = await service.addUser('ann');

    await signIn(service.browser('198.51.100.7'), 'ann', testPassword);

    const [signedIn] = eventsOf(service, 'user_signed_in');
    assert.equal(signedIn?.['userId'], userId);
    assert.equal(signedIn?.['host'], 'wiki.example.test');
    assert.equal(signedIn?.['clientAddress'], '198.51.100.7');
    assert.ok(signedIn?.['requestId']);
    const [started] = eventsOf(service, 'session_started');
    const [session] = await service.db.selectFrom('edgeSession').selectAll().execute();
    assert.equal(started?.['sessionId'], session.id);
    assert.equal(started?.['userId'], userId);
    assert.equal(started?.['host'], 'wiki.example.test');
  });

  test('tells why an attempt failed, which the page does not', async () => {
    await using service = await startTestService({ maxFailuresPerAccount: 3 });
    await service.addApplication('wiki');
    const ann = await service.addUser('ann');
    const gone = await service.addUser('gone');
    await service.db.updateTable('user').set({ accountEnabled: 0 }).where('id', '=', gone.id).execute();

    const attempts: [string, string][] = [
      ['nobody', testPassword],
      ['gone', testPassword],
      ['ann', 'n'.repeat(5_000)],
      ['ann', 'wrong one'],
      ['ann', 'wrong two'],
      ['ann', 'wrong three'],
      ['ann', testPassword],
    ];
    for (const [name, password] of attempts) await signIn(service.browser(), name, password);

    assert.deepEqual(
      eventsOf(service, 'sign_in_failed').map(({ reason, userId }) => [reason, userId]),
      [
        ['unknown_name', undefined],
        ['account_disabled', gone.id],
        ['too_long', undefined],
        ['wrong_password', ann.id],
        ['wrong_password', ann.id],
        ['wrong_password', ann.id],
        ['too_many_failures', undefined],
      ],
    );
  });

  test('has the sign-ins of the command line, too', async () => {
    await using service = await startTestService();
    const { id: userId } = await service.addUser('ann');
    const grant = { client_id: cliClientId, grant_type: credentialsGrantType, scope: 'openid api' };

    for (const password of ['wrong', testPassword]) {
      await service.browser().call(`${loginOrigin}/token`, { ...grant, username: 'ann', password });
    }

    assert.equal(eventsOf(service, 'sign_in_failed')[0]?.['reason'], 'wrong_password');
    assert.equal(eventsOf(service, 'user_signed_in')[0]?.['userId'], userId);
    assert.equal(eventsOf(service, 'user_signed_in')[0]?.['host'], null);
  });

  test('has the end of sessions by signing out', async () => {
    await using service = await startTestService();
    await service.addApplication('wiki');
    await service.addUser('ann');
    const browser = service.browser();
    await signIn(browser, 'ann', testPassword);

    await browser.post(`${wiki}/.postern/sign-out`, {});

    const [ended] = eventsOf(service, 'session_ended');
    assert.equal(ended?.['reason'], 'signed_out');
    assert.equal(ended?.['count'], 1);
  });

  test('has the session that a new one took the place of', async () => {
    await using service = await startTestService();
    await service.addApplication('wiki');
    await service.addUser('ann');
    const browser = service.browser();
    await signIn(browser, 'ann', testPassword);
    const first = eventsOf(service, 'session_started')[0]?.['sessionId'];

    await browser.follow(
      await browser.get(`${wiki}/.postern/sign-in?return=/`),
      url => url.href === `${wiki}/`,
    );

    const [ended] = eventsOf(service, 'session_ended');
    assert.equal(ended?.['reason'], 'replaced');
    assert.equal(ended?.['sessionId'], first);
  });

  test('has a new password, which ends what was before', async () => {
    await using service = await startTestService();
    const { id: userId } = await service.addUser('ann');
    const newPassword = 'a whole new passphrase';

    const answer = await service.browser().post(`${loginOrigin}/password`, {
      username: 'ann',
      password: testPassword,
      newPassword,
      again: newPassword,
    });

    assert.equal(answer.status, 200);
    assert.equal(eventsOf(service, 'user_changed')[0]?.['what'], 'password_set');
    const [ended] = eventsOf(service, 'session_ended');
    assert.deepEqual([ended?.['reason'], ended?.['userId']], ['password_set', userId]);
  });

  test('has neither the name that was typed, nor a password, nor what stands for a session', async () => {
    await using service = await startTestService();
    await service.addApplication('wiki');
    await service.addUser('ann');
    const browser = service.browser();

    // The classic: the password in the field of the name.
    await signIn(browser, testPassword, 'ann');
    await signIn(browser, 'ann', 'Wr0ng-but-close');
    await signIn(browser, 'ann', testPassword);

    const text = JSON.stringify(service.logged);
    const cookies = [...browser.cookies.values()].flat().map(({ value }) => value);
    assert.ok(eventsOf(service, 'session_started').length > 0);
    for (const secret of [testPassword, 'Wr0ng-but-close', ...cookies.filter(value => value.length > 16)]) {
      assert.ok(!text.includes(secret), secret);
    }
  });
});
