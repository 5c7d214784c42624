import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import * as oidc from 'openid-client';
import { updateUser } from '../directory/users.ts';
import { controlFetch } from '../preauth/control-fetch.ts';
import { cliClientId, credentialsGrantType } from './clients.ts';
import { rotationTimes } from './signing-keys.ts';
import type { Answer, Browser } from './test-browser.ts';
import { loginOrigin, startTestService, type TestService, testPassword } from './test-service.ts';

const loopback = 'http://127.0.0.1:52011/callback';
const verifier = 'v'.repeat(43);
const challenge = await oidc.calculatePKCECodeChallenge(verifier);

const cliRequest = {
  client_id: cliClientId,
  redirect_uri: loopback,
  response_type: 'code',
  scope: 'openid profile api register',
  state: 'a-state',
  nonce: 'a-nonce',
  code_challenge: challenge,
  code_challenge_method: 'S256',
};

function authorize(browser: Browser, parameters: Record<string, string>): Promise<Answer> {
  return browser.get(`${loginOrigin}/auth?${new URLSearchParams(parameters)}`);
}

/** Signs in for the command line, up to the loopback address. */
async function signInForCli(browser: Browser, name = 'ann', parameters = cliRequest): Promise<URL> {
  const page = await browser.follow(await authorize(browser, parameters));
  const answer = await browser.follow(
    await browser.submitSignIn(page, name, testPassword),
    url => url.hostname === '127.0.0.1',
  );
  if (answer.location === null) throw new Error(`no way back: ${answer.body}`);
  return answer.location;
}

function requestToken(browser: Browser, fields: Record<string, string>): Promise<Answer> {
  return browser.call(`${loginOrigin}/token`, { client_id: cliClientId, ...fields });
}

function exchange(browser: Browser, callback: URL, fields: Record<string, string> = {}): Promise<Answer> {
  return requestToken(browser, {
    grant_type: 'authorization_code',
    code: callback.searchParams.get('code') ?? '',
    redirect_uri: loopback,
    code_verifier: verifier,
    ...fields,
  });
}

/** Signs in with name and password at the token endpoint. */
async function tokensOf(service: TestService, name = 'ann'): Promise<Record<string, string>> {
  const answer = await requestToken(service.browser(), {
    grant_type: credentialsGrantType,
    username: name,
    password: testPassword,
    scope: 'openid profile api register',
  });
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body);
}

describe('the command line as a client', () => {
  test('openid-client signs in with code and PKCE over a loopback address, refreshes and revokes', async t => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    const { fetch, close } = controlFetch(service.socketPath);
    t.after(close);
    const client = await oidc.discovery(new URL(loginOrigin), cliClientId, undefined, oidc.None(), {
      [oidc.customFetch]: fetch,
    });
    const callback = await signInForCli(service.browser());

    const tokens = await oidc.authorizationCodeGrant(client, callback, {
      expectedState: 'a-state',
      expectedNonce: 'a-nonce',
      pkceCodeVerifier: verifier,
    });
    const identity = await service.signIn.authenticateBearer(tokens.access_token);
    const userInfo = await oidc.fetchUserInfo(client, tokens.access_token, user.id);
    const refreshed = await oidc.refreshTokenGrant(client, tokens.refresh_token ?? '');
    await oidc.tokenRevocation(client, refreshed.refresh_token ?? '');

    assert.equal(tokens.claims()?.sub, user.id);
    assert.deepEqual(identity, {
      userId: user.id,
      scopes: new Set(['openid', 'profile', 'api', 'register']),
      clientId: cliClientId,
    });
    assert.equal(userInfo['preferred_username'], 'ann');
    assert.equal(await service.signIn.authenticateBearer(refreshed.access_token), null);
    await assert.rejects(oidc.refreshTokenGrant(client, refreshed.refresh_token ?? ''), {
      error: 'invalid_grant',
    });
    assert.deepEqual(service.serverErrors, []);
  });

  test('whoever is signed in already sees no page, even where the program asks for consent', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const browser = service.browser();
    await signInForCli(browser);

    for (const parameters of [cliRequest, { ...cliRequest, prompt: 'consent' }]) {
      const answer = await browser.follow(
        await authorize(browser, parameters),
        url => url.hostname === '127.0.0.1',
      );
      assert.ok(answer.location?.searchParams.get('code'), answer.body);
    }
  });

  test('threat D16: a request that may show no page, as in a hidden frame, gets none', async () => {
    await using service = await startTestService();
    await service.addUser('ann');

    const answer = await authorize(service.browser(), { ...cliRequest, prompt: 'none' });

    assert.equal(answer.status, 303);
    assert.equal(answer.location?.origin, new URL(loopback).origin);
    assert.equal(answer.location.searchParams.get('error'), 'login_required');
    assert.equal(answer.location.searchParams.get('code'), null);
  });

  test('a refresh token that was used before ends what came from it', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const tokens = await tokensOf(service);
    const refresh = () =>
      requestToken(service.browser(), {
        grant_type: 'refresh_token',
        refresh_token: tokens['refresh_token'],
      });

    const first = await refresh();
    const second = await refresh();

    assert.equal(first.status, 200);
    assert.equal(second.status, 400);
    assert.equal(await service.signIn.authenticateBearer(JSON.parse(first.body).access_token), null);
  });

  test('the end of a login session leaves the command line signed in', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const browser = service.browser();
    const tokens = JSON.parse((await exchange(browser, await signInForCli(browser))).body);

    const session = await service.db
      .selectFrom('oidcRecord')
      .select('uid')
      .where('model', '=', 'Session')
      .executeTakeFirstOrThrow();
    await service.signIn.endLoginSession(session.uid ?? '');

    assert.ok(await service.signIn.authenticateBearer(tokens.access_token));
    const page = await browser.follow(await authorize(browser, cliRequest));
    assert.match(page.body, /autocomplete="current-password"/);
  });
});

describe('threat D5: redirect addresses', () => {
  const callback = 'https://wiki.example.test/.postern/callback';
  const refused = [
    `${callback}/`,
    `${callback}/more`,
    `${callback}?a=b`,
    `${callback}#fragment`,
    'https://wiki.example.test/.postern/x/../callback',
    'https://wiki.example.test/.postern/%63allback',
    'https://wiki.example.test:444/.postern/callback',
    'https://wiki.example.test:443/.postern/callback',
    'https://user@wiki.example.test/.postern/callback',
    'https://WIKI.example.test/.postern/callback',
    'https://evil.wiki.example.test/.postern/callback',
    'https://wiki.example.test.evil.test/.postern/callback',
    'https://evil.test/?https://wiki.example.test/.postern/callback',
    'http://wiki.example.test/.postern/callback',
    'http://127.0.0.1:52011/.postern/callback',
    'javascript:alert(1)',
    '//wiki.example.test/.postern/callback',
  ];

  test('an application gets its answers at one address, exactly', async () => {
    await using service = await startTestService();
    const id = await service.addApplication('wiki');
    const browser = service.browser();
    const request = { ...cliRequest, client_id: id, scope: 'openid' };

    assert.equal((await authorize(browser, { ...request, redirect_uri: callback })).status, 303);
    for (const redirect_uri of refused) {
      const answer = await authorize(browser, { ...request, redirect_uri });
      assert.equal(answer.status, 400, redirect_uri);
      assert.equal(answer.location, null);
    }
  });

  test('the command line may choose a port of the loopback address, and nothing else', async () => {
    await using service = await startTestService();
    const browser = service.browser();

    assert.equal(
      (await authorize(browser, { ...cliRequest, redirect_uri: 'http://127.0.0.1:1/callback' })).status,
      303,
    );
    for (const redirect_uri of [
      'http://127.0.0.1:1/other',
      'http://127.0.0.1:1/callback?a=b',
      'https://127.0.0.1:1/callback',
      'http://127.0.0.2:1/callback',
      'http://localhost:1/callback',
      'http://127.0.0.1.evil.test:1/callback',
      'http://evil.test/callback',
      'http://user@127.0.0.1:1/callback',
    ]) {
      const answer = await authorize(browser, { ...cliRequest, redirect_uri });
      assert.equal(answer.location, null, redirect_uri);
      assert.equal(answer.status, 400);
    }
  });

  test('nothing is registered under an unknown, disabled or unpublished application', async () => {
    await using service = await startTestService();
    const id = await service.addApplication('wiki');
    await service.db.updateTable('application').set({ accountEnabled: 0 }).execute();

    for (const client_id of [id, 'nobody', "' or 1=1 --", 'portal ']) {
      const answer = await authorize(service.browser(), { ...cliRequest, client_id });
      assert.equal(answer.status, 400);
      assert.equal(answer.location, null);
    }
  });
});

describe('threat D8: PKCE', () => {
  test('a request without it, or with plain, is refused for every client', async () => {
    await using service = await startTestService();
    const id = await service.addApplication('wiki');
    const clients = [
      cliRequest,
      {
        ...cliRequest,
        client_id: id,
        scope: 'openid',
        redirect_uri: 'https://wiki.example.test/.postern/callback',
      },
    ];

    for (const request of clients) {
      const { code_challenge, code_challenge_method, ...rest } = request;
      for (const parameters of [
        rest,
        { ...rest, code_challenge },
        { ...rest, code_challenge: verifier, code_challenge_method: 'plain' },
        { ...rest, code_challenge_method },
      ]) {
        const { location } = await authorize(service.browser(), parameters);
        assert.equal(location?.searchParams.get('error'), 'invalid_request');
        assert.equal(location.searchParams.get('code'), null);
      }
    }
  });

  test('a code is given to whoever has the verifier alone', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const browser = service.browser();

    for (const code_verifier of ['w'.repeat(43), '', challenge]) {
      const answer = await exchange(browser, await signInForCliAgain(browser), { code_verifier });
      assert.equal(answer.status, 400);
      assert.equal(JSON.parse(answer.body).error, 'invalid_grant');
    }
  });

  async function signInForCliAgain(browser: Browser): Promise<URL> {
    const answer = await browser.follow(
      await authorize(browser, cliRequest),
      url => url.hostname === '127.0.0.1',
    );
    return answer.location ?? (await signInForCli(browser));
  }
});

describe('threat D7: codes', () => {
  test('one of 20 exchanges at once succeeds, and what it got is revoked', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const browser = service.browser();
    const callback = await signInForCli(browser);

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => exchange(service.browser(), callback)),
    );

    const succeeded = answers.filter(({ status }) => status === 200);
    assert.equal(succeeded.length, 1);
    for (const { status, body } of answers.filter(answer => answer !== succeeded[0])) {
      assert.equal(status, 400);
      assert.equal(JSON.parse(body).error, 'invalid_grant');
    }
    assert.equal((await exchange(browser, callback)).status, 400);
    assert.equal(await service.signIn.authenticateBearer(JSON.parse(succeeded[0].body).access_token), null);
    assert.deepEqual(service.serverErrors, []);
  });

  test('a code of another client is refused', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const id = await service.addApplication('wiki');
    const browser = service.browser();
    const callback = await signInForCli(browser);

    const answer = await browser.call(
      `${loginOrigin}/token`,
      {
        grant_type: 'authorization_code',
        code: callback.searchParams.get('code') ?? '',
        redirect_uri: loopback,
        code_verifier: verifier,
      },
      {
        authorization: `Basic ${Buffer.from(`${id}:${service.signIn.clients.secretOf(id)}`).toString('base64')}`,
      },
    );

    assert.equal(answer.status, 400);
    assert.equal(JSON.parse(answer.body).error, 'invalid_grant');
  });

  test('an application has to authenticate, with its own secret', async () => {
    await using service = await startTestService();
    const wiki = await service.addApplication('wiki');
    const git = await service.addApplication('git');

    for (const secret of ['x', 'guess', service.signIn.clients.secretOf(git)]) {
      const answer = await service.browser().call(
        `${loginOrigin}/token`,
        { grant_type: 'authorization_code', code: 'x', redirect_uri: 'x', code_verifier: verifier },
        {
          authorization: `Basic ${Buffer.from(`${wiki}:${secret}`).toString('base64')}`,
        },
      );
      assert.equal(answer.status, 401);
    }
    assert.equal(
      (await requestToken(service.browser(), { grant_type: credentialsGrantType, client_id: wiki })).status,
      401,
    );
  });
});

describe('threats C4 and C5: access tokens', () => {
  test('a token that is changed, cut, longer or made up is nobody’s', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const { access_token: token } = await tokensOf(service);
    const flipped = (index: number) =>
      token.slice(0, index) + (token[index] === 'A' ? 'B' : 'A') + token.slice(index + 1);
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"x"}').toString('base64url')}.`;

    assert.ok(await service.signIn.authenticateBearer(token));
    for (const other of [
      '',
      token.slice(0, -1),
      token.slice(1),
      `${token}A`,
      `${token}\0`,
      ` ${token}`,
      flipped(0),
      flipped(20),
      flipped(token.length - 1),
      token.toUpperCase(),
      unsigned,
      "' or '1'='1",
    ]) {
      assert.equal(await service.signIn.authenticateBearer(other), null, other);
    }
  });

  test('a token of another kind is no access token', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const tokens = await tokensOf(service);

    assert.equal(await service.signIn.authenticateBearer(tokens['refresh_token']), null);
  });

  test('a disabled account’s tokens end with it, and do not come back', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    const { access_token: token } = await tokensOf(service);

    await service.db.updateTable('user').set({ accountEnabled: 0 }).where('id', '=', user.id).execute();
    assert.equal(await service.signIn.authenticateBearer(token), null);

    await service.db.updateTable('user').set({ accountEnabled: 1 }).where('id', '=', user.id).execute();
    await updateUser(service.directory, user.id, { displayName: 'Ann' });
    assert.ok(await service.signIn.authenticateBearer(token));
  });

  test('nothing that could be presented is in the database’s files', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const browser = service.browser();
    const callback = await signInForCli(browser);
    const tokens = JSON.parse((await exchange(browser, callback)).body);
    const device = JSON.parse(
      (await browser.call(`${loginOrigin}/device/auth`, { client_id: cliClientId, scope: 'openid api' }))
        .body,
    );
    const login = browser.cookie('login.example.test', '__Host-postern-login') ?? '';

    const folder = path.dirname(service.socketPath);
    const files = readdirSync(folder).filter(name => name.startsWith('postern.db'));
    const content = Buffer.concat(files.map(name => readFileSync(path.join(folder, name))));

    const secrets = [
      callback.searchParams.get('code'),
      tokens.access_token,
      tokens.refresh_token,
      device.device_code,
      login,
      testPassword,
    ];
    for (const secret of secrets) {
      assert.ok(secret?.length > 20, secret);
      assert.equal(content.includes(secret), false);
    }
  });
});

describe('threat D18: what is sent comes back escaped', () => {
  const hostile = `"><script>alert(1)</script><img src=x onerror='x'>`;

  test('in every parameter of an authorization request', async () => {
    await using service = await startTestService();
    const browser = service.browser();

    for (const name of Object.keys(cliRequest)) {
      const answer = await authorize(browser, { ...cliRequest, [name]: hostile });
      assert.doesNotMatch(answer.body, /<script|<img/, name);
      if (answer.status !== 303)
        assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/);
    }
  });

  test('in the code of a device, on the pages of the end of a session, and in an application’s name', async () => {
    await using service = await startTestService();
    const id = await service.addApplication('wiki');
    await service.db.updateTable('application').set({ displayName: hostile }).where('id', '=', id).execute();
    const browser = service.browser();

    const answers = [
      await browser.get(`${loginOrigin}/device?user_code=${encodeURIComponent(hostile)}`),
      await browser.get(`${loginOrigin}/session/end?client_id=${encodeURIComponent(hostile)}`),
      await browser.get(`${loginOrigin}/session/end?id_token_hint=${encodeURIComponent(hostile)}`),
      await browser.get(`${loginOrigin}/session/end/success?client_id=${encodeURIComponent(hostile)}`),
      await browser.get(`${loginOrigin}/nothing/${encodeURIComponent(hostile)}`),
      await browser.follow(await browser.get('https://wiki.example.test/.postern/sign-in')),
    ];

    for (const { body, url } of answers) assert.doesNotMatch(body, /<script|<img/, url.href);
    assert.match(answers[5].body, /&lt;script&gt;/);
  });
});

describe('the provider’s own addresses', () => {
  test('threat D15: they are the configured ones, whatever hosts were sent', async () => {
    await using service = await startTestService();

    const answer = await service.browser().get(`${loginOrigin}/.well-known/openid-configuration`, {
      host: 'login.example.test:9999',
      'x-forwarded-host': 'evil.test',
      forwarded: 'host=evil.test',
    });

    const metadata = JSON.parse(answer.body);
    assert.equal(metadata.issuer, loginOrigin);
    assert.equal(metadata.token_endpoint, `${loginOrigin}/token`);
    assert.deepEqual(metadata.code_challenge_methods_supported, ['S256']);
    assert.deepEqual(metadata.response_types_supported, ['code']);
    assert.deepEqual(metadata.id_token_signing_alg_values_supported, ['ES256']);
    assert.doesNotMatch(answer.body, /evil|9999|introspection|registration_endpoint|pushed/);
  });

  test('an address that nobody knows is answered with a page', async () => {
    await using service = await startTestService();

    const answer = await service.browser().get(`${loginOrigin}/nothing`);

    assert.equal(answer.status, 404);
    assert.match(answer.body, /There is nothing here/);
  });

  test('the front page of the login host leads to My Apps', async () => {
    await using service = await startTestService();

    const answer = await service.browser().get(`${loginOrigin}/`);

    assert.equal(answer.location?.href, 'https://portal.example.test/');
  });
});

describe('signing keys', () => {
  const idTokenOf = async (service: TestService) => {
    const browser = service.browser();
    const { id_token: token } = JSON.parse((await exchange(browser, await signInForCli(browser))).body);
    return JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString('utf8')) as { kid: string };
  };
  const publishedKeys = async (service: TestService) => {
    const { keys } = JSON.parse((await service.browser().get(`${loginOrigin}/jwks`)).body);
    return keys as { kid: string; d?: string }[];
  };

  test('a new key is published, then signs, then the old one goes, without a restart', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    const [{ kid: first }] = await publishedKeys(service);

    service.advance(rotationTimes.signsForMs - rotationTimes.publishedAheadMs);
    await service.signIn.rotateSigningKeys();
    const both = await publishedKeys(service);
    assert.equal(both.length, 2);
    assert.equal((await idTokenOf(service)).kid, first);

    service.advance(rotationTimes.publishedAheadMs);
    await service.signIn.rotateSigningKeys();
    assert.equal((await publishedKeys(service)).length, 2);
    const { kid: second } = await idTokenOf(service);
    assert.notEqual(second, first);

    service.advance(rotationTimes.keptAfterMs);
    await service.signIn.rotateSigningKeys();
    assert.deepEqual(
      (await publishedKeys(service)).map(({ kid }) => kid),
      [second],
    );
  });

  test('no private part is published', async () => {
    await using service = await startTestService();

    for (const key of await publishedKeys(service)) assert.equal(key.d, undefined);
  });
});
