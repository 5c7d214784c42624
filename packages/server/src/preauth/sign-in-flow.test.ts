import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setPasswordHash } from '../directory/users.ts';
import type { Answer, Browser } from '../sign-in/test-browser.ts';
import { loginOrigin, startTestService, type TestService, testPassword } from '../sign-in/test-service.ts';
import { sessionCookieName } from './register.ts';

const wiki = 'https://wiki.example.test';
const git = 'https://git.example.test';

/** Asks for a page of an application as somebody whom the relay does not know, up to the sign-in page. */
async function openSignIn(browser: Browser, origin = wiki, returnPath = '/page?q=1'): Promise<Answer> {
  return await browser.follow(await beginSignIn(browser, origin, returnPath));
}

function beginSignIn(browser: Browser, origin = wiki, returnPath = '/page?q=1'): Promise<Answer> {
  return browser.get(`${origin}/.postern/sign-in?return=${encodeURIComponent(returnPath)}`);
}

const isApplicationPage = (url: URL) => url.origin !== loginOrigin && !url.pathname.startsWith('/.postern/');
const isCallback = (url: URL) => url.pathname === '/.postern/callback';

async function signInAs(browser: Browser, name: string, origin = wiki): Promise<Answer> {
  const page = await openSignIn(browser, origin);
  return await browser.follow(await browser.submitSignIn(page, name, testPassword), isApplicationPage);
}

/** Goes through the sign-in page up to the callback, which is not called. */
async function callbackUrl(browser: Browser, name: string): Promise<URL> {
  const page = await openSignIn(browser);
  const answer = await browser.follow(await browser.submitSignIn(page, name, testPassword), isCallback);
  if (answer.location === null) throw new Error(`no callback: ${answer.body}`);
  return answer.location;
}

async function startWithWiki(): Promise<TestService> {
  const service = await startTestService();
  await service.addApplication('wiki');
  await service.addApplication('git');
  return service;
}

const countSessions = async ({ db }: TestService) =>
  (await db.selectFrom('edgeSession').select('id').execute()).length;

describe('signing in to an application', () => {
  test('a person comes back to the page asked for, with a session of that host', async () => {
    await using service = await startWithWiki();
    const user = await service.addUser('Ann@example.test');
    const browser = service.browser();

    const page = await openSignIn(browser);
    const answer = await browser.follow(
      await browser.submitSignIn(page, 'ann@EXAMPLE.test', testPassword),
      isApplicationPage,
    );

    assert.equal(page.status, 200);
    assert.match(page.body, /to continue to <strong>Wiki<\/strong><span class="host">wiki\.example\.test</);
    assert.equal(answer.location?.href, `${wiki}/page?q=1`);
    const setCookie = answer.headers['set-cookie']?.find(field => field.startsWith(`${sessionCookieName}=`));
    assert.match(setCookie ?? '', /^__Host-postern=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
    const [session, ...others] = await service.db.selectFrom('edgeSession').selectAll().execute();
    assert.deepEqual(others, []);
    assert.equal(session.userId, user.id);
    assert.equal(session.host, 'wiki.example.test');
    assert.ok(session.loginSessionUid);
    assert.deepEqual(service.serverErrors, []);
  });

  test('where the application is set so, the session cookie outlives the browser, as long as the session lasts', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    await service.db
      .updateTable('application')
      .set({ publishingJson: JSON.stringify({ isPersistentCookieEnabled: true }) })
      .where('displayName', '=', 'Wiki')
      .execute();
    const browser = service.browser();
    const cookieOf = (answer: Answer) =>
      answer.headers['set-cookie']?.find(field => field.startsWith(`${sessionCookieName}=`)) ?? '';

    const kept = cookieOf(await signInAs(browser, 'ann'));
    const forgotten = cookieOf(await browser.follow(await beginSignIn(browser, git), isApplicationPage));

    const [session] = await service.db.selectFrom('edgeSession').selectAll().execute();
    const seconds = (session.expiresAt - session.createdAt) / 1_000;
    assert.ok(kept.endsWith(`; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=${seconds}`), kept);
    assert.match(forgotten, /; SameSite=Lax$/);
  });

  test('a second application asks for no password', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    await signInAs(browser, 'ann');

    const answer = await browser.follow(await beginSignIn(browser, git, '/repo'), isApplicationPage);

    assert.equal(answer.location?.href, `${git}/repo`);
    assert.equal(await countSessions(service), 2);
  });

  test('several tabs sign in at the same time, each to its own page', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    const first = await openSignIn(browser, wiki, '/one');
    const second = await openSignIn(browser, wiki, '/two');

    const answers = [
      await browser.follow(await browser.submitSignIn(first, 'ann', testPassword), isApplicationPage),
      await browser.follow(await browser.submitSignIn(second, 'ann', testPassword), isApplicationPage),
    ];

    assert.deepEqual(
      answers.map(({ location }) => location?.pathname),
      ['/one', '/two'],
    );
  });

  test('a host that nobody published is answered with 404 and no cookie, and so is the login host', async () => {
    await using service = await startWithWiki();
    const browser = service.browser();

    for (const origin of ['https://other.example.test', loginOrigin, 'https://wiki.example.test.evil.test']) {
      const answer = await beginSignIn(browser, origin);
      assert.equal(answer.status, 404, origin);
      assert.equal(answer.headers['set-cookie'], undefined);
    }
  });

  test('threat B4: a host in capitals, with a port or a dot at the end is the same application', async () => {
    await using service = await startWithWiki();

    for (const host of ['WIKI.example.test', 'wiki.example.test:443', 'wiki.example.test.']) {
      const answer = await service.browser().get(`${wiki}/.postern/sign-in?return=/`, { host });
      assert.equal(answer.location?.origin, loginOrigin);
      assert.equal(answer.location.searchParams.get('redirect_uri'), `${wiki}/.postern/callback`);
    }
  });

  test('an application on a path of its host is named on the sign-in page', async () => {
    await using service = await startTestService();
    await service.addApplication('wiki');
    await service.db
      .updateTable('application')
      .set({ externalUrl: `${wiki}/docs/` })
      .execute();
    await service.addApplication('wiki', { path: '/' });
    await service.db
      .updateTable('application')
      .set({ displayName: 'Docs' })
      .where('externalUrl', '=', `${wiki}/docs/`)
      .execute();

    const docs = await openSignIn(service.browser(), wiki, '/docs/a');
    const root = await openSignIn(service.browser(), wiki, '/other');

    assert.match(docs.body, /<strong>Docs<\/strong>/);
    assert.match(root.body, /<strong>Wiki<\/strong>/);
  });
});

describe('the sign-in page', () => {
  test('a wrong password keeps the name, says so beside the field, and gives no session', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();

    const answer = await browser.submitSignIn(await openSignIn(browser), 'Ann"><b>', 'wrong password');

    assert.equal(answer.status, 400);
    assert.match(answer.body, /value="Ann&quot;&gt;&lt;b&gt;"/);
    assert.match(answer.body, /That name and password do not match\./);
    assert.match(answer.body, /name="password"[^>]* aria-invalid="true" aria-describedby="error"/);
    assert.equal(await countSessions(service), 0);
  });

  test('threat D16: it may not be framed, runs no script and loads nothing from elsewhere', async () => {
    await using service = await startWithWiki();

    const { headers, body } = await openSignIn(service.browser());

    const policy = String(headers['content-security-policy']);
    assert.match(policy, /default-src 'none'.*frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|script-src/);
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['cache-control'], 'no-store');
    assert.doesNotMatch(body, /<script|style="| on\w+="/);
  });

  test('the stylesheet that it names is there', async () => {
    await using service = await startWithWiki();
    const browser = service.browser();
    const page = await openSignIn(browser);

    const href = /rel="stylesheet" href="([^"]+)"/.exec(page.body)?.[1];
    const answer = await browser.get(new URL(String(href), page.url));

    assert.equal(answer.status, 200);
    assert.match(String(answer.headers['cache-control']), /immutable/);
  });

  test('a form that is too long, or of another kind, is refused with a page', async () => {
    await using service = await startWithWiki();
    const browser = service.browser();
    const page = await openSignIn(browser);

    const long = await browser.submitSignIn(page, 'ann', 'x'.repeat(20_000));
    const json = await browser.post(page.url, {}, { 'content-type': 'application/json' });

    assert.equal(long.status, 413);
    assert.equal(json.status, 415);
    for (const { body } of [long, json]) assert.match(body, /This request cannot be answered/);
  });

  test('with the store failing, a page says so and nobody is signed in', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    const page = await openSignIn(browser);
    await service.db.schema.dropTable('signInFailure').execute();

    const answer = await browser.submitSignIn(page, 'ann', testPassword);

    assert.equal(answer.status, 500);
    assert.match(answer.body, /Something went wrong in the service/);
    assert.doesNotMatch(answer.body, /signInFailure|SQL/i);
  });

  test('threat D9: a form from another origin signs nobody in', async () => {
    await using service = await startWithWiki();
    await service.addUser('mallory');
    const browser = service.browser();
    const page = await openSignIn(browser);

    for (const headers of [
      { origin: wiki, 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.test', 'sec-fetch-site': 'cross-site' },
      { origin: 'null', 'sec-fetch-site': 'same-origin' },
    ]) {
      const answer = await browser.submitSignIn(page, 'mallory', testPassword, headers);
      assert.equal(answer.status, 400);
      assert.equal(answer.location, null);
    }
  });

  test('threat D9: a sign-in that another browser began cannot be finished in this one', async () => {
    await using service = await startWithWiki();
    await service.addUser('mallory');
    const attacker = service.browser();
    const page = await openSignIn(attacker);
    const resume = (await attacker.submitSignIn(page, 'mallory', testPassword)).location;
    const victim = service.browser();
    // A sibling host can plant these, but no cookie whose name begins with __Host-.
    const planted = attacker.cookies
      .get('login.example.test')
      ?.filter(({ name }) => !name.startsWith('__Host-'));
    victim.cookies.set('login.example.test', planted ?? []);

    const form = await victim.get(page.url);
    const resumed = await victim.get(String(resume));

    for (const answer of [form, resumed]) {
      assert.equal(answer.status, 400);
      assert.match(answer.body, /This sign-in is over/);
    }
    assert.equal(victim.cookie('login.example.test', '__Host-postern-login'), undefined);
  });

  test('threat D1: the login session has a new id after signing in', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    // A session that exists already, such as one that was planted: the page to enter a code makes one.
    await browser.get(`${loginOrigin}/device`);
    const before = browser.cookie('login.example.test', '__Host-postern-login');

    await signInAs(browser, 'ann');

    const after = browser.cookie('login.example.test', '__Host-postern-login');
    assert.ok(before && after);
    assert.notEqual(after, before);
  });

  test('with cookies refused, coming back from the sign-in page ends at a page and not in a circle', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    const callback = await callbackUrl(browser, 'ann');
    browser.cookies.delete('wiki.example.test');

    const again = await browser.get(callback);
    const second = await browser.follow(again, isCallback);
    browser.cookies.delete('wiki.example.test');
    const answer = await browser.get(second.location ?? '');

    assert.equal(again.status, 303);
    assert.equal(answer.status, 400);
    assert.match(answer.body, /transaction_lost/);
    assert.equal(await countSessions(service), 0);
  });
});

describe('the callback', () => {
  test('threat D1: a session cookie that was there before is replaced, and its session ends', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    await signInAs(browser, 'ann');
    const before = browser.cookie('wiki.example.test', sessionCookieName);

    await browser.follow(await beginSignIn(browser), isApplicationPage);

    const after = browser.cookie('wiki.example.test', sessionCookieName);
    assert.ok(before && after);
    assert.notEqual(after, before);
    assert.equal(await countSessions(service), 1);
  });

  test('threat D7: the same answer sent 20 times at once gives one session', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    const callback = await callbackUrl(browser, 'ann');
    const cookie = browser.cookies
      .get('wiki.example.test')
      ?.map(({ name, value }) => `${name}=${value}`)
      .join('; ');

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => service.browser().get(callback, { cookie: cookie ?? '' })),
    );

    assert.equal(answers.filter(({ location }) => location?.pathname === '/page').length, 1);
    assert.equal(await countSessions(service), 1);
  });

  test('threat D7: the answer sent again later begins a new sign-in and gives nothing away', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    const callback = await callbackUrl(browser, 'ann');
    await browser.get(callback);

    const answer = await service.browser().get(callback);

    assert.equal(answer.location?.origin, loginOrigin);
    assert.equal(await countSessions(service), 1);
  });

  const changes: [string, (url: URL) => void][] = [
    ['another issuer', url => url.searchParams.set('iss', 'https://evil.test')],
    ['no issuer', url => url.searchParams.delete('iss')],
    ['a second issuer', url => url.searchParams.append('iss', 'https://evil.test')],
    ['another code', url => url.searchParams.set('code', 'A'.repeat(43))],
    ['no code', url => url.searchParams.delete('code')],
    [
      'a truncated code',
      url => url.searchParams.set('code', url.searchParams.get('code')?.slice(0, -1) ?? ''),
    ],
    ['a code and one byte', url => url.searchParams.set('code', `${url.searchParams.get('code')}A`)],
    ['a second state', url => url.searchParams.append('state', 'x')],
    ['an error', url => url.searchParams.set('error', '"><script>alert(1)</script>')],
  ];
  for (const [what, change] of changes) {
    test(`threat D9: an answer with ${what} gives no session and is not shown`, async () => {
      await using service = await startWithWiki();
      await service.addUser('ann');
      const browser = service.browser();
      const callback = await callbackUrl(browser, 'ann');
      change(callback);

      const answer = await browser.get(callback);

      assert.equal(answer.status, 400);
      assert.doesNotMatch(answer.body, /<script>|evil\.test/);
      assert.equal(await countSessions(service), 0);
    });
  }

  test('threat D9: an answer for one application does nothing at another', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    const callback = await callbackUrl(browser, 'ann');
    browser.cookies.set('git.example.test', browser.cookies.get('wiki.example.test') ?? []);
    callback.hostname = 'git.example.test';

    const answer = await browser.get(callback);

    assert.equal(answer.location?.origin, loginOrigin);
    assert.equal(await countSessions(service), 0);
  });

  test('a late answer begins anew and still finds the page asked for', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    const callback = await callbackUrl(browser, 'ann');
    service.advance(11 * 60_000);

    const answer = await browser.follow(await browser.get(callback), isApplicationPage);

    assert.equal(answer.location?.href, `${wiki}/page?q=1`);
  });

  test('threat D6: whatever the return address, the way back stays on the host', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    await signInAs(browser, 'ann');

    for (const hostile of [
      '//evil.test',
      '/\\evil.test',
      'https://evil.test/',
      '/.//evil.test',
      'javascript:x',
    ]) {
      const answer = await browser.follow(await beginSignIn(browser, wiki, hostile), isApplicationPage);
      assert.equal(answer.location?.href, `${wiki}/`, hostile);
    }
  });
});

describe('signing out', () => {
  test('ends the session here, those of the other applications, and the login session', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    await signInAs(browser, 'ann');
    await browser.follow(await beginSignIn(browser, git), isApplicationPage);
    const cookie = browser.cookie('wiki.example.test', sessionCookieName);

    const answer = await browser.follow(await browser.post(`${wiki}/.postern/sign-out`, {}));

    assert.ok(cookie);
    assert.match(answer.body, /Signed out/);
    assert.equal(await countSessions(service), 0);
    assert.equal(browser.cookie('wiki.example.test', sessionCookieName), undefined);
    assert.match((await openSignIn(browser)).body, /autocomplete="current-password"/);
  });

  test('a link or a form from elsewhere only asks', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    await signInAs(browser, 'ann');

    const linked = await browser.get(`${wiki}/.postern/sign-out`);
    const forged = await browser.post(
      `${wiki}/.postern/sign-out`,
      {},
      { origin: git, 'sec-fetch-site': 'same-site' },
    );

    for (const answer of [linked, forged]) assert.match(answer.body, /Sign out\?/);
    assert.equal(await countSessions(service), 1);
  });

  test('without a session here, the provider asks, and ends all when told so', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    await signInAs(browser, 'ann');
    browser.cookies.delete('wiki.example.test');

    const question = await browser.follow(await browser.post(`${wiki}/.postern/sign-out`, {}));
    const xsrf = /name="xsrf" value="(\w+)"/.exec(question.body)?.[1] ?? '';
    const answer = await browser.follow(
      await browser.post(`${loginOrigin}/session/end/confirm`, { xsrf, logout: 'yes' }),
    );

    assert.match(question.body, /Sign out\?/);
    assert.match(answer.body, /Signed out/);
    assert.equal(await countSessions(service), 0);
  });

  test('with a session from an earlier login, it asks about the one of today', async () => {
    await using service = await startWithWiki();
    await service.addUser('ann');
    const browser = service.browser();
    await signInAs(browser, 'ann');
    // As when its lifetime is over: the session here lives on by itself.
    await service.db.deleteFrom('oidcRecord').where('model', '=', 'Session').execute();
    await signInAs(browser, 'ann', git);

    const answer = await browser.follow(await browser.post(`${wiki}/.postern/sign-out`, {}));

    assert.match(answer.body, /Sign out\?/);
    assert.equal(await countSessions(service), 1);
  });

  test('where nobody is signed in, it says so without a script', async () => {
    await using service = await startWithWiki();

    const answer = await service
      .browser()
      .follow(await service.browser().post(`${wiki}/.postern/sign-out`, {}));

    assert.equal(answer.status, 200);
    assert.match(answer.body, /Signed out/);
    assert.doesNotMatch(answer.body, /<script/);
  });
});

describe('threat D12: accounts that change while signed in', () => {
  test('a disabled account is asked to sign in, and cannot', async () => {
    await using service = await startWithWiki();
    const user = await service.addUser('ann');
    const browser = service.browser();
    await signInAs(browser, 'ann');
    await service.db.updateTable('user').set({ accountEnabled: 0 }).where('id', '=', user.id).execute();

    const page = await openSignIn(browser, git);
    const answer = await browser.submitSignIn(page, 'ann', testPassword);

    assert.match(page.body, /autocomplete="current-password"/);
    assert.equal(answer.status, 400);
    assert.match(answer.body, /That name and password do not match\./);
  });

  test('an account disabled between sign-in page and callback gets no session', async () => {
    await using service = await startWithWiki();
    const user = await service.addUser('ann');
    const browser = service.browser();
    const callback = await callbackUrl(browser, 'ann');
    await service.db.updateTable('user').set({ accountEnabled: 0 }).where('id', '=', user.id).execute();

    const answer = await browser.get(callback);

    assert.equal(answer.status, 400);
    assert.equal(await countSessions(service), 0);
  });

  test('a new password ends the login session', async () => {
    await using service = await startWithWiki();
    const user = await service.addUser('ann');
    const browser = service.browser();
    await signInAs(browser, 'ann');

    const { hasher } = service.signIn.credentials;
    await setPasswordHash(service.directory, user.id, await hasher.hash('another long password'));

    assert.equal(await countSessions(service), 0);
    assert.match((await openSignIn(browser, git)).body, /autocomplete="current-password"/);
  });

  test('somebody else who signs in is told that the first is signed out, and goes on', async () => {
    await using service = await startWithWiki();
    const ann = await service.addUser('ann');
    await service.addUser('bob');
    const browser = service.browser();
    await signInAs(browser, 'ann');
    await service.db.updateTable('user').set({ accountEnabled: 0 }).where('id', '=', ann.id).execute();

    const change = await browser.follow(
      await browser.submitSignIn(await openSignIn(browser, git, '/repo'), 'bob', testPassword),
    );
    const xsrf = /name="xsrf" value="([\w-]+)"/.exec(change.body)?.[1] ?? '';
    const answer = await browser.follow(
      await browser.post(`${loginOrigin}/session/end/confirm`, { xsrf, logout: 'yes' }),
      isApplicationPage,
    );

    assert.match(change.body, /Change account/);
    assert.doesNotMatch(change.body, /<script/);
    assert.equal(answer.location?.href, `${git}/repo`);
    const sessions = await service.db
      .selectFrom('edgeSession')
      .innerJoin('user', 'user.id', 'userId')
      .select('signInName')
      .execute();
    assert.deepEqual(
      sessions.map(({ signInName }) => signInName),
      ['bob'],
    );
  });
});
