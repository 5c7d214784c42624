import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeAccepted, upgradeFields } from '../testbed/raw-websocket.ts';
import { childrenOf, startTestbed, type Testbed } from '../testbed/testbed.ts';

const execute = promisify(execFile);
const folder = mkdtempSync(path.join(tmpdir(), 'postern-programs-'));
/** What is withdrawn may work so much longer, open exchanges included. */
const boundMs = 3_000;
const maxFailures = 5;

interface Credential {
  readonly keyId: string;
  readonly clientId: string;
  readonly secretText: string;
}

const clients: RawClient[] = [];
let backend: RawBackend;
let bed: Testbed;

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [
      {
        name: 'files',
        internalUrl: backend.url,
        publishing: {
          customHeaders: { setRequestHeaders: [{ name: 'X-Who', value: '{user.id} {user.displayName}' }] },
        },
      },
      { name: 'wiki', internalUrl: backend.url },
      { name: 'plain', internalUrl: backend.url },
      { name: 'open', internalUrl: backend.url, passthrough: true },
    ],
    config: { signIn: { maxFailuresPerAddress: maxFailures } },
  });
});

after(async () => {
  for (const client of clients) client.destroy();
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  backend.reset();
  backend.onConnection = downloadOrUpgrade;
});

/** Upgrades who asks for it; begins a download without end for `/download`; answers everything else. */
function downloadOrUpgrade(connection: BackendConnectionLog): void {
  connection.socket.once('data', () => {
    if (connection.received.startsWith('GET /download')) {
      return connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nthe first bytes');
    }
    if (/^upgrade:/im.test(connection.received)) return connection.send(`${upgradeAccepted}\x81\x05hello`);
    connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
    connection.socket.end();
  });
}

async function addCredential(application: string, more: object = {}): Promise<Credential> {
  const { status, body } = await bed.api(
    'POST',
    `/applications/${bed.applicationId(application)}/addPassword`,
    {
      passwordCredential: { displayName: 'backup', ...more },
    },
  );
  assert.equal(status, 200, JSON.stringify(body));
  return body as Credential;
}

async function removeCredential(application: string, { keyId }: Credential): Promise<void> {
  const { status } = await bed.api('POST', `/applications/${bed.applicationId(application)}/removePassword`, {
    keyId,
  });
  assert.equal(status, 204);
}

function basic({ clientId, secretText }: Pick<Credential, 'clientId' | 'secretText'>): string {
  return `Basic ${Buffer.from(`${clientId}:${secretText}`).toString('base64')}`;
}

/** The whole answer to one request with further fields. */
function ask(application: string, fields: string, target = '/'): Promise<string> {
  const host = bed.hostOf(application);
  return bed.exchange(host, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`);
}

function statusOf(answer: string): number {
  return Number(answer.slice(9, 12));
}

/** The values of a field of an answer, one for each line. */
function valuesOf(answer: string, name: string): string[] {
  const head = answer.slice(0, answer.indexOf('\r\n\r\n'));
  return [...head.matchAll(new RegExp(`^${name}: (.*?)\\r?$`, 'gim'))].map(match => match[1]!);
}

async function openAt(application: string, authorization: string) {
  const host = bed.hostOf(application);
  const field = `Authorization: ${authorization}\r\n`;
  const socket = new RawClient(await bed.connect(host));
  socket.send(`GET /socket HTTP/1.1\r\nHost: ${host}\r\n${field}${upgradeFields}\r\n`);
  await socket.until('\x81\x05hello');
  const download = new RawClient(await bed.connect(host));
  download.send(`GET /download HTTP/1.1\r\nHost: ${host}\r\n${field}\r\n`);
  await download.until('the first bytes');
  clients.push(socket, download);
  return { socket, download };
}

async function assertEnded(open: Awaited<ReturnType<typeof openAt>>, dueAt: number): Promise<void> {
  const socket = await open.socket.closed();
  const download = await open.download.closed();
  const late = performance.now() - dueAt;

  assert.ok(late <= boundMs, `ended ${Math.round(late)} ms late`);
  // FIN, opcode close, the length, then the code: 1008.
  assert.match(socket, /\x81\x05hello\x88[\x02-\x7d]\x03\xf0/);
  assert.match(download, /the first bytes$/);
}

const wrongSecret = 'A'.repeat(43);

describe('a program with a credential of an application', { timeout: 300_000 }, () => {
  test('is let in by HTTP Basic as itself; the backend gets who it is, and not the credential', async () => {
    const credential = await addCredential('files');

    const { stdout } = await execute('curl', [
      ...['--silent', '--show-error', '--cacert', bed.caFile],
      ...['--user', `${credential.clientId}:${credential.secretText}`],
      `https://${bed.hostOf('files')}:${bed.port}/list`,
    ]);
    await bed.log.until(`"clientId":"${credential.clientId}"`);

    assert.equal(stdout, 'ok');
    const { received } = backend.connections.at(-1)!;
    assert.doesNotMatch(received, /authorization/i);
    assert.match(received, new RegExp(`^x-who: ${credential.clientId} backup\\r$`, 'im'));
    assert.match(received, new RegExp(`^x-forwarded-user: ${credential.clientId}\\r$`, 'im'));
    assert.doesNotMatch(bed.serviceLog(), new RegExp(credential.secretText));
  });

  test('gets 401 with every way in named, and no page, for a wrong secret or none', async () => {
    const { clientId } = await addCredential('files');

    const none = await ask('files', '');
    const wrong = await ask('files', `Authorization: ${basic({ clientId, secretText: wrongSecret })}\r\n`);
    const elsewhere = await ask('plain', '');

    const origin = `https://${bed.hostOf('files')}:${bed.port}`;
    for (const answer of [none, wrong]) {
      assert.equal(statusOf(answer), 401);
      assert.deepEqual(valuesOf(answer, 'www-authenticate').slice(0, 2), [
        `Basic realm="${origin}/", charset="UTF-8"`,
        `Bearer realm="${origin}/", resource_metadata="${origin}/.well-known/oauth-protected-resource"`,
      ]);
    }
    assert.match(wrong, /"code":"invalid_credentials"/);
    assert.equal(backend.connections.length, 0);
    assert.doesNotMatch(elsewhere, /^www-authenticate: basic/im);
  });

  test('has its credential at that application alone', async () => {
    const credential = await addCredential('files');
    await addCredential('wiki');

    assert.equal(statusOf(await ask('wiki', `Authorization: ${basic(credential)}\r\n`)), 401);
  });

  test('changes its secret and stays who it is', async () => {
    const first = await addCredential('files');
    const second = await addCredential('files', { clientId: first.clientId });
    const listed = await bed.api('GET', `/applications/${bed.applicationId('files')}/passwordCredentials`);

    assert.equal(second.clientId, first.clientId);
    assert.doesNotMatch(JSON.stringify(listed.body), new RegExp(`${first.secretText}|${second.secretText}`));
    assert.equal(statusOf(await ask('files', `Authorization: ${basic(first)}\r\n`)), 200);
    await removeCredential('files', first);
    assert.equal(statusOf(await ask('files', `Authorization: ${basic(first)}\r\n`)), 401);
    assert.equal(statusOf(await ask('files', `Authorization: ${basic(second)}\r\n`)), 200);
  });

  test('loses its WebSocket and its download within 3 s of the removal', async () => {
    const credential = await addCredential('wiki');
    const open = await openAt('wiki', basic(credential));
    const other = await openAt('wiki', basic(await addCredential('wiki')));

    const dueAt = performance.now();
    await removeCredential('wiki', credential);
    await assertEnded(open, dueAt);

    for (const connection of backend.connections.filter(one => !one.isClosed)) {
      if (connection.received.startsWith('GET /socket')) connection.send('\x81\x02on');
    }
    await other.socket.until('\x81\x02on');
  });

  test('loses them within 3 s of the expiry, which nobody has to tell the relay', async () => {
    const lifetimeMs = 4_000;
    const dueAt = performance.now() + lifetimeMs;
    const credential = await addCredential('wiki', {
      endDateTime: new Date(Date.now() + lifetimeMs).toISOString(),
    });
    const open = await openAt('wiki', basic(credential));

    await assertEnded(open, dueAt);
    assert.equal(statusOf(await ask('wiki', `Authorization: ${basic(credential)}\r\n`)), 401);
  });

  test('stays in while the control process stands still', async () => {
    const credential = await addCredential('files');
    const [control] = childrenOf(bed.service.pid!);
    process.kill(control!, 'SIGSTOP');
    try {
      assert.equal(statusOf(await ask('files', `Authorization: ${basic(credential)}\r\n`)), 200);
    } finally {
      process.kill(control!, 'SIGCONT');
    }
  });

  test('keeps the credential to the service where the application has been opened to everybody', async () => {
    const credential = await addCredential('open');

    assert.equal(statusOf(await ask('open', `Authorization: ${basic(credential)}\r\n`)), 200);
    assert.doesNotMatch(backend.connections.at(-1)!.received, /authorization/i);
  });

  test('is refused for a while after too many wrong secrets from its address; people are not', async () => {
    const credential = await addCredential('files');
    const wrong = `Authorization: ${basic({ ...credential, secretText: wrongSecret })}\r\n`;
    let answer = '';
    for (let guess = 0; guess <= maxFailures; guess++) answer = await ask('files', wrong);

    assert.equal(statusOf(answer), 429);
    assert.ok(Number(valuesOf(answer, 'retry-after')[0]) >= 1);
    assert.equal(statusOf(await ask('files', `Authorization: ${basic(credential)}\r\n`)), 429);
    assert.equal(statusOf(await ask('files', `Cookie: ${bed.cookie('files')}\r\n`)), 200);
  });
});

describe('a person with a session', { timeout: 300_000 }, () => {
  test('sends the backend’s own name and password through', async () => {
    await addCredential('wiki');
    const own = `Basic ${Buffer.from('ada:her password there').toString('base64')}`;

    const signedIn = await ask('wiki', `Cookie: ${bed.cookie('wiki')}\r\nAuthorization: ${own}\r\n`);
    const received = backend.connections.at(-1)!.received;
    const signedOut = await ask('wiki', `Authorization: ${own}\r\n`);

    assert.equal(statusOf(signedIn), 200);
    assert.ok(received.includes(`Authorization: ${own}\r\n`), received);
    assert.equal(statusOf(signedOut), 401);
  });

  test('is not asked for a name and password by a page’s script, and a preflight meets no sign-in page', async () => {
    await addCredential('wiki');

    const script = await ask('wiki', 'Sec-Fetch-Mode: cors\r\nAccept: */*\r\n');
    const host = bed.hostOf('wiki');
    const preflight = await bed.exchange(
      host,
      `OPTIONS / HTTP/1.1\r\nHost: ${host}\r\nOrigin: https://other.example\r\nSec-Fetch-Mode: cors\r\n` +
        'Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization\r\nConnection: close\r\n\r\n',
    );

    for (const answer of [script, preflight]) {
      assert.equal(statusOf(answer), 401);
      assert.doesNotMatch(answer, /^(location:|www-authenticate: basic)/im);
      assert.match(answer, /^content-type: application\/json/im);
    }
  });
});
