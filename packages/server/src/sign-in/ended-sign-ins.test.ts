import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DirectoryError } from '../directory/directory-error.ts';
import { endSignIns } from '../directory/end-sign-ins.ts';
import { createSession } from '../directory/sessions.ts';
import { setPasswordHash } from '../directory/users.ts';
import { cliClientId } from './clients.ts';
import { type Browser, hiddenField } from './test-browser.ts';
import { loginOrigin, startTestService, type TestService, testPassword } from './test-service.ts';

const portalSignIn = 'https://portal.example.test/.postern/sign-in?return=/';
const device = `${loginOrigin}/device`;

/** Signs in at the portal. */
async function signIn(service: TestService, browser: Browser, name = 'ann'): Promise<void> {
  const page = await browser.follow(await browser.get(portalSignIn));
  const answer = await browser.submitSignIn(page, name, testPassword);
  await browser.follow(answer, url => url.pathname === '/');
  assert.equal((await service.db.selectFrom('edgeSession').selectAll().execute()).length, 1);
}

/** Whether the browser is sent on without being asked for a password. */
async function isSignedIn(browser: Browser): Promise<boolean> {
  const answer = await browser.follow(await browser.get(portalSignIn), url => url.pathname === '/');
  return answer.location !== null;
}

async function loginSessionOf({ db }: TestService): Promise<string> {
  const rows = await db.selectFrom('oidcRecord').select('uid').where('model', '=', 'Session').execute();
  assert.equal(rows.length, 1);
  return rows[0]!.uid ?? '';
}

/**
 * Lets the provider read who is signed in for the next request, and nothing more until it may go on: a request whose body
 * comes slowly has the same effect.
 */
function pauseNext({ signIn: { provider } }: TestService): { wasRead: Promise<void>; goOn: () => void } {
  const { Session } = provider;
  const wasRead = Promise.withResolvers<void>();
  const mayGoOn = Promise.withResolvers<void>();
  const find = Session.find.bind(Session);
  const findAndWait = async (id: string) => {
    Reflect.deleteProperty(Session, 'find');
    const session = await find(id);
    wasRead.resolve();
    await mayGoOn.promise;
    return session;
  };
  Reflect.set(Session, 'find', findAndWait);
  return { wasRead: wasRead.promise, goOn: mayGoOn.resolve };
}

const authorization = {
  client_id: cliClientId,
  redirect_uri: 'http://127.0.0.1:52011/callback',
  response_type: 'code',
  scope: 'openid api',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
};

type Ending = (service: TestService, userId: string) => Promise<unknown>;

const endings: readonly (readonly [string, Ending])[] = [
  ['signing out', async service => service.signIn.endLoginSession(await loginSessionOf(service))],
  [
    'a new password',
    async ({ directory, signIn: { credentials } }, id) =>
      setPasswordHash(directory, id, await credentials.hasher.hash('another password')),
  ],
  ['signing the person out everywhere', ({ directory }, id) => endSignIns(directory, id)],
];

for (const [title, end] of endings) {
  describe(`${title}, while the browser asks the provider for something (threat D4)`, () => {
    test('ends the login session all the same', async () => {
      await using service = await startTestService();
      const { id } = await service.addUser('ann');
      const browser = service.browser();
      await signIn(service, browser);

      const { wasRead, goOn } = pauseNext(service);
      const answer = browser.get(device);
      await wasRead;
      await end(service, id);
      goOn();
      await answer;

      assert.equal(await isSignedIn(browser), false);
      assert.deepEqual(service.serverErrors, []);
    });

    test('leaves no code for a program behind', async () => {
      await using service = await startTestService();
      const { id } = await service.addUser('ann');
      const browser = service.browser();
      await signIn(service, browser);

      const { wasRead, goOn } = pauseNext(service);
      const answer = browser.get(`${loginOrigin}/auth?${new URLSearchParams(authorization)}`);
      await wasRead;
      await end(service, id);
      goOn();

      const { location } = await answer;
      assert.equal(location?.searchParams.get('code') ?? null, null);
      assert.deepEqual(service.serverErrors, []);
    });

    test('lets no program in that waits with a code', async () => {
      await using service = await startTestService();
      const { id } = await service.addUser('ann');
      const browser = service.browser();
      await signIn(service, browser);
      const program = { client_id: cliClientId, scope: 'openid api' };
      const waiting = JSON.parse((await browser.call(`${loginOrigin}/device/auth`, program)).body);
      const page = await browser.get(device);
      const entered = { xsrf: hiddenField(page, 'xsrf'), user_code: waiting.user_code };
      const confirmation = await browser.post(device, entered);
      const confirmed = {
        xsrf: hiddenField(confirmation, 'xsrf'),
        user_code: waiting.user_code,
        confirm: 'yes',
      };

      const { wasRead, goOn } = pauseNext(service);
      const approved = browser.post(device, confirmed);
      await wasRead;
      await end(service, id);
      goOn();
      await approved;

      const answer = await browser.call(`${loginOrigin}/token`, {
        client_id: cliClientId,
        grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
        device_code: waiting.device_code,
      });
      assert.equal(answer.status, 400, answer.body);
      assert.deepEqual(service.serverErrors, []);
    });

    test('lets nobody in at an application whose answer was on its way', async () => {
      await using service = await startTestService();
      const { id: userId } = await service.addUser('ann');
      await signIn(service, service.browser());
      const loginSessionUid = await loginSessionOf(service);

      await end(service, userId);

      const session = { host: 'wiki.example.test', userId, loginSessionUid, lifetimeMs: 60_000 };
      await assert.rejects(
        createSession(service.directory, session),
        (error: unknown) => error instanceof DirectoryError && error.code === 'precondition_failed',
      );
    });
  });
}

for (const [title, end] of endings.slice(1)) {
  test(`${title} ends a sign-in of which only the password was given`, async () => {
    await using service = await startTestService();
    const { id } = await service.addUser('ann');
    const browser = service.browser();
    const page = await browser.follow(await browser.get(portalSignIn));
    const { location } = await browser.submitSignIn(page, 'ann', testPassword);

    await end(service, id);

    const answer = await browser.follow(await browser.get(location!), url => url.pathname === '/');
    assert.equal(answer.location, null, 'signed in with what no longer holds');
    assert.deepEqual(service.serverErrors, []);
  });
}
