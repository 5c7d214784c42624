import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { AdapterPayload } from 'oidc-provider';
import { openDirectoryForTests } from '../directory/directory-for-tests.ts';
import { cliClientId } from './clients.ts';
import { oidcAdapter } from './oidc-adapter.ts';
import { Sealer } from './sealer.ts';
import { hiddenField } from './test-browser.ts';
import { loginOrigin, startTestService, type TestService, testPassword } from './test-service.ts';

/** Records of one model, in a store of their own, with a client and a clock that the test moves. */
async function openRecords(model: string, mostWaiting: { ofClient: number; inAll: number }) {
  const own = await openDirectoryForTests();
  const { db } = own.directory;
  const state = { client: '192.0.2.1' as string | null, now: 1_000_000 };
  const adapter = oidcAdapter(model, {
    db,
    sealer: new Sealer(randomBytes(32)),
    now: () => state.now,
    findClient: async () => undefined,
    onGrantEnded: async () => {},
    clientKey: () => state.client,
    mostWaiting,
  });
  return {
    state,
    begin: async (id: string, payload: AdapterPayload = {}) => {
      state.now += 1;
      await adapter.upsert(id, payload, 3_600);
    },
    isThere: async (id: string) => (await adapter.find(id)) !== undefined,
    count: async () => (await db.selectFrom('oidcRecord').select('id').execute()).length,
    [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
  };
}

test('of the sign-ins that wait, a client has no more than its share: its own oldest are forgotten', async () => {
  for (const model of ['Interaction', 'DeviceCode']) {
    await using records = await openRecords(model, { ofClient: 5, inAll: 1_000 });
    await records.begin('of another');
    records.state.client = '203.0.113.7';
    for (let index = 0; index < 50; index++) await records.begin(`flood ${index}`);

    assert.equal(await records.isThere('of another'), true);
    assert.equal(await records.isThere('flood 44'), false);
    assert.equal(await records.isThere('flood 45'), true);
    assert.equal(await records.count(), 6);
  }
});

test('clients without number have no more than so many together', async () => {
  await using records = await openRecords('Interaction', { ofClient: 5, inAll: 20 });
  for (let index = 0; index < 1_000; index++) {
    records.state.client = `client ${index % 500}`;
    await records.begin(`flood ${index}`);
    assert.ok((await records.count()) <= 120);
  }
  assert.equal(await records.isThere('flood 999'), true);
});

test('a sign-in whose password was given, and what comes of one, is never forgotten for others', async () => {
  await using records = await openRecords('Interaction', { ofClient: 5, inAll: 20 });
  await records.begin('signed in');
  await records.begin('signed in', { result: { login: { accountId: 'ann' } } });
  for (let index = 0; index < 300; index++) await records.begin(`flood ${index}`);
  assert.equal(await records.isThere('signed in'), true);

  await using tokens = await openRecords('AccessToken', { ofClient: 5, inAll: 20 });
  for (let index = 0; index < 50; index++) await tokens.begin(`token ${index}`);
  assert.equal(await tokens.count(), 50);
});

async function originsIn({ db }: TestService): Promise<string[]> {
  const rows = await db.selectFrom('oidcRecord').select(['model', 'origin']).execute();
  return rows.flatMap(({ model, origin }) => (origin === null ? [] : `${model} ${origin}`)).sort();
}

test('what waits counts for the address that began it, until somebody has signed in', async () => {
  await using service = await startTestService();
  await service.addUser('ann');
  const browser = service.browser('2001:db8:1:2::3');
  const page = await browser.follow(
    await browser.get('https://portal.example.test/.postern/sign-in?return=/'),
  );
  const begun = await service
    .browser('203.0.113.7')
    .call(`${loginOrigin}/device/auth`, { client_id: cliClientId, scope: 'openid api' });
  assert.deepEqual(await originsIn(service), ['DeviceCode 203.0.113.7', 'Interaction 2001:db8:1:2::/64']);

  await browser.follow(await browser.submitSignIn(page, 'ann', testPassword), url => url.pathname === '/');
  assert.deepEqual(await originsIn(service), ['DeviceCode 203.0.113.7']);

  const device = await browser.get(`${loginOrigin}/device`);
  const confirmation = await browser.post(`${loginOrigin}/device`, {
    xsrf: hiddenField(device, 'xsrf'),
    user_code: JSON.parse(begun.body).user_code,
  });
  await browser.follow(
    await browser.post(`${loginOrigin}/device`, {
      xsrf: hiddenField(confirmation, 'xsrf'),
      user_code: hiddenField(confirmation, 'user_code'),
      confirm: 'yes',
    }),
  );
  assert.deepEqual(await originsIn(service), []);
});
