import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { downloadOrUpgrade, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeFields } from '../testbed/raw-websocket.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

/** What is withdrawn may work so much longer, open exchanges included. */
const boundMs = 3_000;

const users = ['bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'];
const clients: RawClient[] = [];
const profile = '/onPremisesPublishingProfiles/applicationProxy';

let backend: RawBackend;
let bed: Testbed;

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [
      { name: 'wiki', internalUrl: backend.url, assignedTo: ['ada', ...users] },
      { name: 'shop', internalUrl: backend.url, assignedTo: ['ada', ...users] },
      { name: 'news', internalUrl: backend.url, assignedTo: ['ada', ...users] },
      { name: 'open', internalUrl: backend.url, passthrough: true },
    ],
    users,
    config: { limits: { waitForConnectorMs: 500 } },
  });
});

after(async () => {
  for (const client of clients) client.destroy();
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await backend.reset();
  backend.onConnection = downloadOrUpgrade;
});

/** What one person has open at one application. */
interface OpenExchanges {
  readonly socket: RawClient;
  readonly download: RawClient;
}

async function openAt(application: string, user: string): Promise<OpenExchanges> {
  const host = bed.hostOf(application);
  const cookie = application === 'open' ? '' : `Cookie: ${bed.cookie(application, user)}\r\n`;
  const socket = new RawClient(await bed.connect(host));
  socket.send(`GET /socket HTTP/1.1\r\nHost: ${host}\r\n${cookie}${upgradeFields}\r\n`);
  await socket.until('\x81\x05hello');
  const download = new RawClient(await bed.connect(host));
  download.send(`GET /download HTTP/1.1\r\nHost: ${host}\r\n${cookie}\r\n`);
  await download.until('the first bytes');
  clients.push(socket, download);
  return { socket, download };
}

async function statusAt(application: string, user: string): Promise<string> {
  const host = bed.hostOf(application);
  const cookie = application === 'open' ? '' : `Cookie: ${bed.cookie(application, user)}\r\n`;
  const answer = await bed.exchange(
    host,
    `GET / HTTP/1.1\r\nHost: ${host}\r\n${cookie}Connection: close\r\n\r\n`,
  );
  return answer.slice(9, 12);
}

/** Withdraws something and asserts that both exchanges end in time: the WebSocket with 1008, the download cut. */
async function assertEnded(open: OpenExchanges, withdraw: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await withdraw();
  const socket = await open.socket.closed();
  const download = await open.download.closed();
  const tookMs = performance.now() - startedAt;

  assert.ok(tookMs <= boundMs, `ended after ${Math.round(tookMs)} ms`);
  // FIN, opcode close, the length, then the code: 1008.
  assert.match(socket, /\x81\x05hello(\x81\x02kl)?\x88[\x02-\x7d]\x03\xf0/);
  assert.match(download, /the first bytes(more kl)?$/);
}

/** Asserts that both exchanges still carry what the backend sends. */
async function assertAlive(open: OpenExchanges, label: string): Promise<void> {
  for (const connection of backend.connections.filter(one => !one.isClosed)) {
    if (connection.received.startsWith('GET /socket')) connection.send(`\x81\x02${label}`);
    else connection.send(`more ${label}`);
  }
  await open.socket.until(`\x81\x02${label}`);
  await open.download.until(`more ${label}`);
}

async function assertStatus(promise: Promise<{ status: number; body: unknown }>, status: number) {
  const answer = await promise;
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  return answer.body;
}

async function servicePrincipalOf(application: string): Promise<string> {
  const body = await assertStatus(bed.api('GET', '/servicePrincipals'), 200);
  const { value } = body as { value: { id: string; displayName: string }[] };
  return value.find(one => one.displayName === application)!.id;
}

describe('what is withdrawn ends within 3 s', () => {
  test('a session that its owner ends; the person’s session elsewhere goes on', async () => {
    const ended = await openAt('wiki', 'bob');
    const other = await openAt('shop', 'bob');
    const host = bed.hostOf('wiki');

    await assertEnded(ended, async () => {
      const answer = await bed.exchange(
        host,
        `POST /.postern/sign-out HTTP/1.1\r\nHost: ${host}:${bed.port}\r\nOrigin: https://${host}:${bed.port}\r\n` +
          `Cookie: ${bed.cookie('wiki', 'bob')}\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
          'Content-Length: 0\r\nConnection: close\r\n\r\n',
      );
      assert.match(answer, /^HTTP\/1\.1 303 /);
    });

    assert.equal(await statusAt('wiki', 'bob'), '401');
    assert.equal(await statusAt('shop', 'bob'), '200');
    await assertAlive(other, 'ab');
  });

  test('every session of a person who is signed out by an administrator; another person’s go on', async () => {
    const ended = await openAt('wiki', 'carol');
    const other = await openAt('wiki', 'ada');

    await assertEnded(ended, () =>
      assertStatus(bed.api('POST', `/users/${bed.userId('carol')}/revokeSignInSessions`), 204),
    );

    assert.equal(await statusAt('wiki', 'carol'), '401');
    assert.equal(await statusAt('shop', 'carol'), '401');
    await assertAlive(other, 'cd');
  });

  test('a person who is disabled', async () => {
    const ended = await openAt('wiki', 'dave');
    const other = await openAt('wiki', 'ada');

    await assertEnded(ended, () =>
      assertStatus(bed.api('PATCH', `/users/${bed.userId('dave')}`, { accountEnabled: false }), 204),
    );

    assert.equal(await statusAt('wiki', 'dave'), '401');
    await assertAlive(other, 'ef');
  });

  test('a person who is deleted', async () => {
    const ended = await openAt('wiki', 'erin');
    const other = await openAt('wiki', 'ada');

    await assertEnded(ended, () => assertStatus(bed.api('DELETE', `/users/${bed.userId('erin')}`), 204));

    assert.equal(await statusAt('wiki', 'erin'), '401');
    await assertAlive(other, 'gh');
  });

  test('an assignment; the person’s other applications go on', async () => {
    const ended = await openAt('wiki', 'frank');
    const other = await openAt('shop', 'frank');
    const principal = await servicePrincipalOf('wiki');
    const list = await assertStatus(bed.api('GET', `/servicePrincipals/${principal}/appRoleAssignedTo`), 200);
    const { value } = list as { value: { id: string; principalId: string }[] };
    const { id } = value.find(one => one.principalId === bed.userId('frank'))!;

    await assertEnded(ended, () =>
      assertStatus(bed.api('DELETE', `/servicePrincipals/${principal}/appRoleAssignedTo/${id}`), 204),
    );

    assert.equal(await statusAt('wiki', 'frank'), '403');
    assert.equal(await statusAt('shop', 'frank'), '200');
    await assertAlive(other, 'ij');
  });

  test('membership of the group that is assigned', async () => {
    const principal = await servicePrincipalOf('news');
    const list = await assertStatus(bed.api('GET', `/servicePrincipals/${principal}/appRoleAssignedTo`), 200);
    const { value } = list as { value: { id: string; principalId: string }[] };
    const { id: own } = value.find(one => one.principalId === bed.userId('grace'))!;
    const group = await assertStatus(bed.api('POST', '/groups', { displayName: 'Readers' }), 201);
    const { id: groupId } = group as { id: string };
    const userUrl = `https://graph.microsoft.com/v1.0/directoryObjects/${bed.userId('grace')}`;
    await assertStatus(bed.api('POST', `/groups/${groupId}/members/$ref`, { '@odata.id': userUrl }), 204);
    await assertStatus(
      bed.api('POST', `/servicePrincipals/${principal}/appRoleAssignedTo`, {
        principalId: groupId,
        resourceId: principal,
        appRoleId: '00000000-0000-0000-0000-000000000000',
      }),
      201,
    );
    const open = await openAt('news', 'grace');
    await assertStatus(bed.api('DELETE', `/servicePrincipals/${principal}/appRoleAssignedTo/${own}`), 204);
    // The group still allows it.
    await assertAlive(open, 'kl');

    await assertEnded(open, () =>
      assertStatus(bed.api('DELETE', `/groups/${groupId}/members/${bed.userId('grace')}/$ref`), 204),
    );

    assert.equal(await statusAt('news', 'grace'), '403');
  });

  test('an application that is disabled, and served again when it is enabled', async () => {
    const ended = await openAt('shop', 'ada');
    const other = await openAt('wiki', 'ada');
    const principal = await servicePrincipalOf('shop');
    const setEnabled = (accountEnabled: boolean) =>
      assertStatus(bed.api('PATCH', `/servicePrincipals/${principal}`, { accountEnabled }), 204);

    await assertEnded(ended, () => setEnabled(false));

    assert.equal(await statusAt('shop', 'ada'), '403');
    await assertAlive(other, 'mn');
    await setEnabled(true);
    assert.equal(await statusAt('shop', 'ada'), '200');
  });

  test('a passthrough application that from now on asks people to sign in', async () => {
    const ended = await openAt('open', 'ada');
    const url = `/applications/${bed.applicationId('open')}`;
    const setType = (externalAuthenticationType: string) =>
      assertStatus(bed.api('PATCH', url, { onPremisesPublishing: { externalAuthenticationType } }), 204);

    await assertEnded(ended, () => setType('aadPreAuthentication'));

    assert.equal(await statusAt('open', 'ada'), '401');
    await setType('passthru');
    assert.equal(await statusAt('open', 'ada'), '200');
  });

  test('an application that is deleted, for whoever comes now; a request under way may be finished', async () => {
    const deleted = await openAt('news', 'heidi');
    const other = await openAt('wiki', 'ada');

    await assertStatus(bed.api('DELETE', `/applications/${bed.applicationId('news')}`), 204);

    assert.match(await deleted.socket.closed(), /\x81\x05hello\x88[\x02-\x7d]\x03\xf0/);
    assert.equal(await statusAt('news', 'heidi'), '404');
    for (const connection of backend.connections.filter(one => !one.isClosed)) {
      if (connection.received.startsWith('GET /download')) connection.send('and more');
    }
    await deleted.download.until('and more');
    await assertStatus(bed.api('POST', `/users/${bed.userId('heidi')}/revokeSignInSessions`), 204);
    assert.match(await deleted.download.closed(), /and more$/);
    await assertAlive(other, 'op');
  });

  test('changes to something else leave open exchanges alone', async () => {
    const open = await openAt('wiki', 'ada');

    const created = await assertStatus(
      bed.api('POST', '/users', { userPrincipalName: 'new', displayName: 'New', accountEnabled: true }),
      201,
    );
    const { id } = created as { id: string };
    await assertStatus(bed.api('PATCH', `/users/${id}`, { displayName: 'Newer' }), 204);
    await assertStatus(bed.api('DELETE', `/users/${id}`), 204);
    await assertStatus(bed.api('PATCH', `/users/${bed.userId('ada')}`, { displayName: 'Ada L.' }), 204);
    await assertStatus(
      bed.api('PATCH', `/applications/${bed.applicationId('shop')}`, { displayName: 'Store' }),
      204,
    );
    await assertStatus(
      bed.api('PATCH', `/applications/${bed.applicationId('wiki')}`, { displayName: 'The wiki' }),
      204,
    );

    await assertAlive(open, 'qr');
  });

  test('a WebSocket in the middle of a frame is cut rather than given a close frame that would be read as payload', async () => {
    const open = await openAt('wiki', 'grace');
    const inside = backend.connections.find(one => one.received.startsWith('GET /socket'))!;
    inside.send('\x81\x0ahalf');
    await open.socket.until('half');

    await assertStatus(bed.api('POST', `/users/${bed.userId('grace')}/revokeSignInSessions`), 204);

    assert.match(await open.socket.closed(), /half$/);
  });
});

// The last one: nothing is served afterwards.
test('a connector that is revoked: its tunnels are cut, and it does not come back', async () => {
  const { id } = bed.connectors[0]!;
  const open = await openAt('open', 'bob');
  const from = bed.connectors[0]!.log.text.length;

  await assertEnded(open, () => assertStatus(bed.api('POST', `${profile}/connectors/${id}/revoke`), 204));

  assert.equal(await statusAt('open', 'bob'), '503');
  await bed.connectors[0]!.log.until('refused/revoked', from);
});
