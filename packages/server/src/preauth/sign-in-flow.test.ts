import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, type Browser, startTestService, testPassword } from '../sign-in/test-service.ts';
import { sessionCookieName } from './register.ts';

const wiki = 'https://wiki.example.test';

/** Opens the sign-in page for a path of the wiki. */
async function openSignIn(browser: Browser, returnPath = '/page?q=1'): Promise<Answer> {
  const start = await browser.get(`${wiki}/.postern/sign-in?return=${encodeURIComponent(returnPath)}`);
  return await browser.follow(start);
}

const isReturn = (url: URL) => url.origin === wiki && !url.pathname.startsWith('/.postern/');

test('a person who signs in comes back to the page asked for, with a session of that host', async () => {
  await using service = await startTestService();
  await service.addApplication('wiki');
  const user = await service.addUser('Ann@example.test');
  const browser = service.browser();

  const page = await openSignIn(browser);
  const answer = await browser.follow(
    await browser.submitSignIn(page, 'ann@EXAMPLE.test', testPassword),
    isReturn,
  );

  assert.equal(page.status, 200);
  assert.match(page.body, /to continue to <strong>Wiki<\/strong><span class="host">wiki\.example\.test</);
  assert.equal(answer.location?.href, `${wiki}/page?q=1`);
  const setCookie = answer.headers['set-cookie']?.find(field => field.startsWith(`${sessionCookieName}=`));
  assert.match(setCookie ?? '', /^__Host-postern=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
  const sessions = await service.db.selectFrom('edgeSession').selectAll().execute();
  assert.equal(sessions.length, 1);
  assert.equal(sessions[0].userId, user.id);
  assert.equal(sessions[0].host, 'wiki.example.test');
  assert.ok(sessions[0].loginSessionUid);
  assert.deepEqual(service.serverErrors, []);
});
