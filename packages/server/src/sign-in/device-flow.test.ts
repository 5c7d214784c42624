import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cliClientId } from './clients.ts';
import { type Answer, type Browser, hiddenField } from './test-browser.ts';
import { loginOrigin, startTestService, type TestService, testPassword } from './test-service.ts';

const device = `${loginOrigin}/device`;

interface Waiting {
  readonly user_code: string;
  readonly verification_uri: string;
  readonly device_code: string;
  /** Seconds. */
  readonly expires_in: number;
}

async function begin(service: TestService): Promise<Waiting> {
  const answer = await service
    .browser('203.0.113.7')
    .call(`${loginOrigin}/device/auth`, { client_id: cliClientId, scope: 'openid api' });
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body);
}

function poll(service: TestService, { device_code }: Waiting): Promise<Answer> {
  return service.browser().call(`${loginOrigin}/token`, {
    client_id: cliClientId,
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code,
  });
}

async function enter(browser: Browser, userCode: string): Promise<Answer> {
  const page = await browser.get(device);
  return await browser.post(device, { xsrf: hiddenField(page, 'xsrf'), user_code: userCode });
}

describe('signing in with a code', () => {
  test('a person enters the code, confirms it, signs in, and the program goes on', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    const waiting = await begin(service);
    const browser = service.browser();

    const pending = await poll(service, waiting);
    const confirmation = await enter(browser, waiting.user_code.toLowerCase());
    const page = await browser.follow(
      await browser.post(device, {
        xsrf: hiddenField(confirmation, 'xsrf'),
        user_code: hiddenField(confirmation, 'user_code'),
        confirm: 'yes',
      }),
    );
    const done = await browser.follow(await browser.submitSignIn(page, 'ann', testPassword));
    const answer = await poll(service, waiting);

    assert.equal(waiting.verification_uri, device);
    assert.match(waiting.user_code, /^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/);
    assert.equal(JSON.parse(pending.body).error, 'authorization_pending');
    assert.match(confirmation.body, new RegExp(waiting.user_code));
    assert.match(confirmation.body, /Postern command line/);
    assert.match(confirmation.body, /203\.0\.113\.7/);
    assert.match(page.body, /the Postern command line/);
    assert.match(done.body, /Signed in/);
    const identity = await service.signIn.authenticateBearer(JSON.parse(answer.body).access_token);
    assert.equal(identity?.userId, user.id);
    assert.equal((await poll(service, waiting)).status, 400);
    assert.deepEqual(service.serverErrors, []);
  });

  test('threat D16: a link with the code in it fills the field in and submits nothing', async () => {
    await using service = await startTestService();
    const waiting = await begin(service);

    const page = await service.browser().get(`${device}?user_code=${waiting.user_code}`);

    assert.equal(page.status, 200);
    assert.match(page.body, new RegExp(`name="user_code" value="${waiting.user_code}"`));
    assert.doesNotMatch(page.body, /<script/);
  });

  test('threat D16: its pages may not be framed', async () => {
    await using service = await startTestService();

    const { headers } = await service.browser().get(device);

    assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/);
    assert.equal(headers['x-frame-options'], 'DENY');
  });

  test('threat D16: a code is good for ten minutes', async context => {
    await using service = await startTestService();
    const waiting = await begin(service);

    context.mock.timers.enable({ apis: ['Date'], now: Date.now() + waiting.expires_in * 1_000 });
    const page = await enter(service.browser(), waiting.user_code);
    const answer = await poll(service, waiting);

    assert.equal(waiting.expires_in, 600);
    assert.match(page.body, /This code has expired/);
    assert.equal(JSON.parse(answer.body).error, 'expired_token');
  });

  test('a wrong code is told so beside the field and kept there', async () => {
    await using service = await startTestService();

    const page = await enter(service.browser(), 'BBBB-BBBB');

    assert.match(page.body, /No program waits with this code/);
    assert.match(page.body, /value="BBBB-BBBB"/);
  });

  test('a code that is not one’s own can be refused, and the program hears of it', async () => {
    await using service = await startTestService();
    const waiting = await begin(service);
    const browser = service.browser();
    const confirmation = await enter(browser, waiting.user_code);

    const page = await browser.post(device, {
      xsrf: hiddenField(confirmation, 'xsrf'),
      user_code: waiting.user_code,
      confirm: 'yes',
      abort: 'yes',
    });

    assert.match(page.body, /was refused, as you asked/);
    assert.equal(JSON.parse((await poll(service, waiting)).body).error, 'access_denied');
  });

  test('a form from elsewhere confirms nothing', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const waiting = await begin(service);
    const browser = service.browser();
    await enter(browser, waiting.user_code);

    const answer = await browser.post(device, {
      xsrf: 'guess',
      user_code: waiting.user_code,
      confirm: 'yes',
    });

    assert.equal(answer.status, 400);
    assert.equal(JSON.parse((await poll(service, waiting)).body).error, 'authorization_pending');
  });
});
