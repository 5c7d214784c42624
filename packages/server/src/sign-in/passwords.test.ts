import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createInvitation } from './invitations.ts';
import type { InvitationPurpose } from './password-pages.ts';
import type { Answer, Browser } from './test-browser.ts';
import { loginOrigin, startTestService, type TestService, testPassword } from './test-service.ts';

const password = 'a long new password';

async function invite(
  service: TestService,
  userId: string,
  purpose: InvitationPurpose = 'invite',
): Promise<URL> {
  const { db, config, now } = service.signIn;
  return new URL((await createInvitation({ db, config }, { userId, purpose, now: now() })).url);
}

function choose(browser: Browser, link: URL, newPassword = password, again = newPassword): Promise<Answer> {
  const secret = link.searchParams.get('secret') ?? '';
  return browser.post(`${loginOrigin}/set-up`, { secret, newPassword, again });
}

async function canSignIn(service: TestService, name: string, withPassword: string): Promise<boolean> {
  const browser = service.browser();
  const page = await browser.follow(
    await browser.get('https://portal.example.test/.postern/sign-in?return=/'),
  );
  return (await browser.submitSignIn(page, name, withPassword)).status === 303;
}

describe('invitations', () => {
  test('the link shows whose account it is, and a password chosen there signs in', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann@example.test', null);
    const link = await invite(service, user.id);
    const browser = service.browser();

    const page = await browser.get(link);
    const answer = await choose(browser, link);

    assert.match(page.body, /value="ann@example\.test" readonly autocomplete="username"/);
    assert.match(page.body, /autocomplete="new-password"/);
    assert.equal(page.headers['referrer-policy'], 'no-referrer');
    assert.match(answer.body, /Password saved/);
    assert.equal(await canSignIn(service, 'ann@example.test', password), true);
  });

  test('looking at the page, even often, does not use the link up', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann', null);
    const link = await invite(service, user.id);

    for (let index = 0; index < 3; index++) assert.equal((await service.browser().get(link)).status, 200);

    assert.equal((await choose(service.browser(), link)).status, 200);
  });

  test('used 20 times at once, it sets one password', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann', null);
    const link = await invite(service, user.id);

    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => choose(service.browser(), link, `${password} ${index}`)),
    );

    const won = answers.findIndex(({ status }) => status === 200);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(19).fill(410)]);
    assert.equal(await canSignIn(service, 'ann', `${password} ${won}`), true);
    assert.equal((await service.browser().get(link)).status, 410);
  });

  test('after 72 hours it works no longer', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann', null);
    const link = await invite(service, user.id);
    service.advance(72 * 3_600_000);

    assert.equal((await service.browser().get(link)).status, 410);
    assert.equal((await choose(service.browser(), link)).status, 410);
    assert.equal(await canSignIn(service, 'ann', password), false);
  });

  test('a new link replaces the one before', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann', null);
    const first = await invite(service, user.id);
    const second = await invite(service, user.id);

    assert.equal((await choose(service.browser(), first)).status, 410);
    assert.equal((await choose(service.browser(), second)).status, 200);
  });

  test('a password that is too short, repeats itself or was mistyped is told why, and the link still works', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann', null);
    const link = await invite(service, user.id);
    const browser = service.browser();

    const short = await choose(browser, link, 'short');
    const mistyped = await choose(browser, link, password, `${password}r`);

    assert.equal(short.status, 400);
    assert.match(short.body, /has 5 characters.*at least 12/);
    assert.match(mistyped.body, /not the same as above/);
    assert.equal((await choose(browser, link)).status, 200);
  });

  test('a made-up, cut or doubled secret leads nowhere', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann', null);
    const secret = (await invite(service, user.id)).searchParams.get('secret') ?? '';

    for (const query of [
      '',
      '?secret=',
      `?secret=${secret.slice(1)}`,
      `?secret=${'A'.repeat(43)}`,
      `?secret=${secret}&secret=${secret}`,
    ]) {
      assert.equal((await service.browser().get(`${loginOrigin}/set-up${query}`)).status, 410, query);
    }
  });

  test('a link to recover ends the sign-ins with the old password', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    const browser = service.browser();
    const page = await browser.follow(
      await browser.get('https://portal.example.test/.postern/sign-in?return=/'),
    );
    await browser.follow(await browser.submitSignIn(page, 'ann', testPassword), url => url.pathname === '/');
    assert.equal((await service.db.selectFrom('edgeSession').selectAll().execute()).length, 1);

    await choose(service.browser(), await invite(service, user.id, 'recover'));

    assert.equal((await service.db.selectFrom('edgeSession').selectAll().execute()).length, 0);
    assert.equal(await canSignIn(service, 'ann', testPassword), false);
    assert.equal(await canSignIn(service, 'ann', password), true);
  });
});

describe('changing one’s own password', () => {
  const change = (service: TestService, fields: Record<string, string>, headers?: Record<string, string>) =>
    service
      .browser()
      .post(
        `${loginOrigin}/password`,
        { username: 'ann', password: testPassword, newPassword: password, again: password, ...fields },
        headers,
      );

  test('needs the current one, and the new one signs in', async () => {
    await using service = await startTestService();
    await service.addUser('ann');

    const wrong = await change(service, { password: 'wrong password' });
    const right = await change(service, {});

    assert.equal(wrong.status, 400);
    assert.match(wrong.body, /That name and password do not match\./);
    assert.match(right.body, /Password saved/);
    assert.equal(await canSignIn(service, 'ann', password), true);
    assert.equal(await canSignIn(service, 'ann', testPassword), false);
  });

  test('of two at once that know the current one, one gets its way', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const chosen = ['one long new password', 'other long new password'];

    const answers = await Promise.all(
      chosen.map(newPassword => change(service, { newPassword, again: newPassword })),
    );

    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    const winner = chosen[answers.findIndex(({ status }) => status === 200)]!;
    assert.equal(await canSignIn(service, 'ann', winner), true);
  });

  test('ends the links that were made before', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    const link = await invite(service, user.id, 'recover');

    await change(service, {});

    assert.equal((await choose(service.browser(), link, 'the password of a thief')).status, 410);
    assert.equal(await canSignIn(service, 'ann', password), true);
  });

  test('a form from another origin changes nothing', async () => {
    await using service = await startTestService();
    await service.addUser('ann');

    await change(service, {}, { origin: 'https://wiki.example.test', 'sec-fetch-site': 'same-site' });

    assert.equal(await canSignIn(service, 'ann', testPassword), true);
  });

  test('guessing here counts like guessing on the sign-in page', async () => {
    await using service = await startTestService({ maxFailuresPerAccount: 3 });
    await service.addUser('ann');
    for (let index = 0; index < 3; index++) await change(service, { password: `wrong password ${index}` });

    assert.equal((await change(service, {})).status, 400);
    assert.equal(await canSignIn(service, 'ann', testPassword), false);
  });
});
