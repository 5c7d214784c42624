import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TokenVerifier } from '../edge/access-tokens.ts';
import { tokenHost } from '../edge/client-credentials.ts';
import { listEdgeSessionsOfUser } from '../store/edge-sessions.ts';
import { cliClientId, nativeClientId, tokenExchangeGrantType } from './clients.ts';
import { type Answer, hiddenField } from './test-browser.ts';
import { loginOrigin, startTestService, type TestService, testPassword } from './test-service.ts';

const device = `${loginOrigin}/device`;
const wiki = 'https://wiki.example.test/';
const nothing = { error: '', access_token: '', refresh_token: '', device_code: '', user_code: '' };

function call(service: TestService, path: string, form: Record<string, string>): Promise<Answer> {
  return service.browser().call(`${loginOrigin}${path}`, form);
}

function read({ body }: Answer): typeof nothing {
  return { ...nothing, ...(JSON.parse(body) as Partial<typeof nothing>) };
}

/** Signs a person in at a program that names an application, with a code; gives what the token endpoint answers. */
async function signInAt(service: TestService, clientId: string, resource: string): Promise<Answer> {
  const begun = await call(service, '/device/auth', { client_id: clientId, scope: 'openid', resource });
  if (begun.status !== 200) return begun;
  const { user_code, device_code } = read(begun);
  const browser = service.browser();
  const page = await browser.get(device);
  const confirmation = await browser.post(device, { xsrf: hiddenField(page, 'xsrf'), user_code });
  const signIn = await browser.follow(
    await browser.post(device, { xsrf: hiddenField(confirmation, 'xsrf'), user_code, confirm: 'yes' }),
  );
  await browser.follow(await browser.submitSignIn(signIn, 'ann', testPassword));
  return await call(service, '/token', {
    client_id: clientId,
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    device_code,
  });
}

describe('a native program that names an application (RFC 8707)', () => {
  test('gets tokens for it that relays take, anew while the person is signed in, and none once it is not', async () => {
    await using service = await startTestService();
    const user = await service.addUser('ann');
    const applicationId = await service.addApplication('wiki', { assignmentRequired: false });
    const verifier = new TokenVerifier(() => service.signIn.tokenTrust);

    const answer = read(await signInAt(service, nativeClientId, wiki));
    const renewal = {
      client_id: nativeClientId,
      grant_type: 'refresh_token',
      refresh_token: answer.refresh_token,
    };
    const soon = read(await call(service, '/token', renewal));
    service.advance(3_600_001);
    const renewed = read(await call(service, '/token', { ...renewal, refresh_token: soon.refresh_token }));

    const shared = await verifier.verify(soon.access_token);
    const first = await verifier.verify(answer.access_token);
    const second = await verifier.verify(renewed.access_token);
    assert.ok(first && second);
    assert.equal(first.subject, user.id);
    assert.equal(first.applicationId, applicationId);
    // A session for each token of a program in a loop would fill the relays.
    assert.equal(shared?.sessionId, first.sessionId);
    assert.notEqual(first.sessionId, second.sessionId);
    const sessions = await listEdgeSessionsOfUser(service.db, user.id);
    assert.deepEqual(
      sessions
        .filter(one => one.host === tokenHost(applicationId))
        .map(one => one.id)
        .toSorted(),
      [first.sessionId, second.sessionId].toSorted(),
    );
    // It is of no use at the admin API.
    assert.equal(await service.signIn.authenticateBearer(answer.access_token), null);

    await call(service, '/token/revocation', { client_id: nativeClientId, token: renewed.refresh_token });
    const left = await listEdgeSessionsOfUser(service.db, user.id);
    assert.deepEqual(
      left.filter(one => one.host === tokenHost(applicationId)),
      [],
    );
    assert.deepEqual(service.serverErrors, []);
  });

  test('gets none for what is not assigned to the person, is not there, or is no application', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    await service.addApplication('wiki');

    assert.equal(read(await signInAt(service, nativeClientId, wiki)).error, 'invalid_target');
    for (const resource of [
      'https://nowhere.example.test/',
      'https://portal.example.test/',
      'http://wiki.example.test/',
    ]) {
      assert.equal(read(await signInAt(service, nativeClientId, resource)).error, 'invalid_target', resource);
    }
    assert.deepEqual(service.serverErrors, []);
  });

  test('is the only client that may', async () => {
    await using service = await startTestService();
    await service.addUser('ann');
    await service.addApplication('wiki', { assignmentRequired: false });

    assert.equal(read(await signInAt(service, cliClientId, wiki)).error, 'invalid_target');
  });
});

describe('a program that is new here', () => {
  test('learns the endpoints, the ways to sign in and the keys under either name of the metadata', async () => {
    await using service = await startTestService();
    const ask = (name: string) => service.browser().get(`${loginOrigin}/.well-known/${name}`);

    const [oauth, openId] = [await ask('oauth-authorization-server'), await ask('openid-configuration')];

    assert.equal(oauth.status, 200);
    assert.equal(oauth.body, openId.body);
    const metadata = JSON.parse(oauth.body) as Record<string, unknown>;
    assert.equal(metadata['issuer'], loginOrigin);
    assert.equal(metadata['device_authorization_endpoint'], `${loginOrigin}/device/auth`);
    assert.deepEqual(metadata['code_challenge_methods_supported'], ['S256']);
    const grants = metadata['grant_types_supported'];
    assert.ok(Array.isArray(grants));
    for (const grant of [
      'authorization_code',
      'client_credentials',
      'refresh_token',
      tokenExchangeGrantType,
    ]) {
      assert.ok(grants.includes(grant), grant);
    }
  });
});

describe('keys of access tokens', () => {
  test('are told to relays when they are exchanged, the next one before it signs', async () => {
    await using service = await startTestService();
    const before = service.signIn.tokenTrust.keys.map(key => key.kid);

    service.advance(89 * 86_400_000);
    await service.signIn.rotateSigningKeys();

    const { keys } = service.signIn.tokenTrust;
    assert.equal(keys.length, 2);
    assert.equal(keys[0]?.kid, before[0]);
    assert.deepEqual(Object.keys(keys[0] ?? {}).toSorted(), ['crv', 'kid', 'kty', 'x', 'y']);
  });
});
