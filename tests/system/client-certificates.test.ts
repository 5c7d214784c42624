import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { CommandLine } from '../testbed/command-line.ts';
import { downloadOrUpgrade, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeFields } from '../testbed/raw-websocket.ts';
import { childrenOf, hold, readAll, startTestbed, type Testbed } from '../testbed/testbed.ts';

const execute = promisify(execFile);
const folder = mkdtempSync(path.join(tmpdir(), 'postern-certificates-'));
/** What is withdrawn may work so much longer, open exchanges included. */
const boundMs = 3_000;

/** A certificate of a program, with its key. */
interface Identity {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

interface Credential {
  readonly keyId: string;
  readonly clientId: string;
  readonly sha256: string;
  readonly endDateTime: string;
}

const clients: { destroy(): void }[] = [];
let backend: RawBackend;
let bed: Testbed;

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: ['files', 'wiki', 'pages', 'short', 'late'].map(name => ({
      ...{ name, internalUrl: backend.url },
      publishing: {
        customHeaders: { setRequestHeaders: [{ name: 'X-Who', value: '{user.id} {user.displayName}' }] },
      },
    })),
  });
});

after(async () => {
  for (const client of clients) client.destroy();
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await backend.reset();
  backend.onConnection = downloadOrUpgrade;
});

/** A self-signed certificate; nobody has to have signed it. */
function makeIdentity(name: string): Identity {
  const certificateFile = path.join(folder, `${name}.pem`);
  const keyFile = path.join(folder, `${name}.key`);
  openssl(
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'],
    ...['-subj', `/CN=${name}`, '-keyout', keyFile, '-out', certificateFile],
  );
  const [cert, key] = [readFileSync(certificateFile, 'utf8'), readFileSync(keyFile, 'utf8')];
  return { certificateFile, keyFile, cert, key };
}

/** A certificate for the same key that ends at a moment, which OpenSSL leaves to what it calls a CA. */
function endingAt(moment: Date, { keyFile }: Identity): Identity {
  const [config, request, certificateFile] = ['ca.cnf', 'request.pem', 'ending.pem'].map(name =>
    path.join(folder, name),
  ) as [string, string, string];
  const index = path.join(folder, 'index.txt');
  const serial = path.join(folder, 'serial');
  writeFileSync(index, '');
  writeFileSync(serial, '01\n');
  const section = `database = ${index}\nserial = ${serial}\ndefault_md = sha256\npolicy = p\n[p]\ncommonName = supplied\n`;
  writeFileSync(config, `[ca]\ndefault_ca = d\n[d]\n${section}`);
  openssl('req', '-new', '-key', keyFile, '-subj', '/CN=ending', '-out', request);
  const time = (at: Date) => `${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
  openssl(
    ...['ca', '-batch', '-notext', '-selfsign', '-config', config, '-outdir', folder],
    ...['-keyfile', keyFile, '-in', request, '-out', certificateFile],
    ...['-startdate', time(new Date(Date.now() - 3_600_000)), '-enddate', time(moment)],
  );
  return {
    ...{ certificateFile, keyFile },
    cert: readFileSync(certificateFile, 'utf8'),
    key: readFileSync(keyFile, 'utf8'),
  };
}

function openssl(...parameters: string[]): void {
  execFileSync('openssl', parameters, { stdio: 'pipe' });
}

/** A private key that claims to belong to the certificate of somebody else, so that OpenSSL loads both together. */
function pretendedKey(own: Identity, claimed: Identity): string {
  const point = ({ key }: Identity) =>
    createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-65);
  const der = createPrivateKey(own.key).export({ type: 'pkcs8', format: 'der' });
  point(claimed).copy(der, der.indexOf(point(own)));
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`;
}

async function addKey(application: string, { cert }: Identity, more: object = {}): Promise<Credential> {
  const { status, body } = await bed.api('POST', `/applications/${bed.applicationId(application)}/addKey`, {
    keyCredential: { key: cert, displayName: 'backup', ...more },
  });
  assert.equal(status, 200, JSON.stringify(body));
  return body as Credential;
}

async function removeKey(application: string, { keyId }: Credential): Promise<void> {
  const { status } = await bed.api('POST', `/applications/${bed.applicationId(application)}/removeKey`, {
    keyId,
  });
  assert.equal(status, 204);
}

function optionsFor(application: string, identity: Partial<Identity> | null): tls.ConnectionOptions {
  return {
    ...{ host: '127.0.0.1', port: bed.port, servername: bed.hostOf(application), ca: bed.ca },
    ...(identity === null ? {} : { cert: identity.cert, key: identity.key }),
  };
}

async function connect(
  application: string,
  identity: Identity | null,
  more: tls.ConnectionOptions = {},
): Promise<tls.TLSSocket> {
  const socket = tls.connect({ ...optionsFor(application, identity), ALPNProtocols: ['http/1.1'], ...more });
  clients.push(socket);
  await once(socket, 'secureConnect');
  return socket;
}

function requestTo(application: string, fields = '', target = '/'): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${bed.hostOf(application)}\r\n${fields}\r\n`;
}

/** The whole answer to one request on a connection of its own. */
async function ask(
  application: string,
  identity: Identity | null,
  fields = '',
  more: tls.ConnectionOptions = {},
): Promise<string> {
  const socket = await connect(application, identity, more);
  socket.write(requestTo(application, `${fields}Connection: close\r\n`));
  return readAll(socket);
}

function statusOf(answer: string): number {
  return Number(answer.slice(9, 12));
}

async function openAt(application: string, identity: Identity) {
  const socket = new RawClient(await connect(application, identity));
  socket.send(requestTo(application, upgradeFields, '/socket'));
  await socket.until('\x81\x05hello');
  const download = new RawClient(await connect(application, identity));
  download.send(requestTo(application, '', '/download'));
  await download.until('the first bytes');
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

/** An HTTP/2 connection opened for one application. */
async function openHttp2(application: string, identity: Identity | null): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(
    `https://${bed.hostOf(application)}:${bed.port}`,
    // The address is given here, as no resolver knows the name.
    {
      createConnection: () => tls.connect({ ...optionsFor(application, identity), ALPNProtocols: ['h2'] }),
    },
  );
  clients.push(session);
  await once(session, 'connect');
  return session;
}

async function statusFor(
  session: http2.ClientHttp2Session,
  application: string,
  fields: http2.OutgoingHttpHeaders = {},
): Promise<number> {
  const stream = session.request({
    ':path': '/',
    ':authority': `${bed.hostOf(application)}:${bed.port}`,
    ...fields,
  });
  const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
  stream.resume();
  await once(stream, 'close');
  return Number(answer[':status']);
}

/** Everything that openssl says of a handshake with an application's host. */
async function handshake(application: string, ...parameters: string[]): Promise<string> {
  const running = execute('openssl', [
    ...['s_client', '-connect', `127.0.0.1:${bed.port}`, '-servername', bed.hostOf(application)],
    ...['-CAfile', bed.caFile, '-msg', ...parameters],
  ]);
  running.child.stdin!.end();
  return (await running).stdout;
}

describe('a program with a client certificate', { timeout: 300_000 }, () => {
  test('is let in as itself; the backend, the access log and the list get to know who it is', async () => {
    const identity = makeIdentity('curl');
    using commandLine = await CommandLine.signIn(bed);
    const parameters = ['--certificate-file', identity.certificateFile, '--name', 'nightly'];
    const added = (await commandLine.run(['app', 'credential', 'add', 'files', ...parameters])) as Credential;

    for (const version of ['--http1.1', '--http2', '--tls-max=1.2']) {
      const { stdout } = await execute('curl', [
        ...['--silent', '--show-error', '--cacert', bed.caFile, ...version.split('=')],
        ...['--cert', identity.certificateFile, '--key', identity.keyFile],
        `https://${bed.hostOf('files')}:${bed.port}/list`,
      ]);
      assert.equal(stdout, 'ok', version);
    }
    await bed.log.until(`"clientId":"${added.clientId}"`);

    const { received } = backend.connections.at(-1)!;
    assert.match(received, new RegExp(`^x-who: ${added.clientId} nightly\\r$`, 'im'));
    assert.match(received, new RegExp(`^x-forwarded-user: ${added.clientId}\\r$`, 'im'));
    const list = ['app', 'credential', 'list', 'files'];
    assert.match(await commandLine.print(list), new RegExp(`certificate ${added.sha256.slice(0, 16)}…`));
    const { lastUsedDateTime } = await usedOnce(commandLine, list);
    assert.ok(Date.parse(lastUsedDateTime) > Date.now() - 300_000);
    await commandLine.print(['app', 'credential', 'remove', 'files', 'nightly']);
    assert.equal(statusOf(await ask('files', identity)), 401);
  });

  test('is nobody with a certificate that is not of this application, and is told how to get in', async () => {
    await addKey('files', makeIdentity('known'));
    const elsewhere = makeIdentity('elsewhere');
    await addKey('wiki', elsewhere);

    for (const identity of [makeIdentity('unknown'), elsewhere, null]) {
      const answer = await ask('files', identity);
      assert.equal(statusOf(answer), 401);
      assert.match(answer, /^www-authenticate: basic/im);
    }
    assert.equal(backend.connections.length, 0);
  });

  test('does not get a connection without the private key', async () => {
    const identity = makeIdentity('owner');
    const thief = makeIdentity('thief');
    await addKey('files', identity);

    await assert.rejects(ask('files', { ...identity, key: pretendedKey(thief, identity) }));
    assert.equal(backend.connections.length, 0);
    const forged = makeIdentity('owner');
    assert.notEqual(forged.cert, identity.cert);
    assert.equal(statusOf(await ask('files', forged)), 401);
  });

  test('is not asked to prove itself again, and not believed without, by a session that it resumes', async () => {
    const identity = makeIdentity('resuming');
    await addKey('files', identity);

    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const first = await connect('files', identity, { maxVersion });
      const sessions: Buffer[] = [];
      first.on('session', (session: Buffer) => sessions.push(session));
      first.write(requestTo('files', 'Connection: close\r\n'));
      assert.equal(statusOf(await readAll(first)), 200);
      const session = sessions.at(-1) ?? first.getSession();
      assert.ok(session !== undefined, 'no session came');

      const again = await connect('files', identity, { maxVersion, session });
      assert.equal(again.isSessionReused(), false);
      again.write(requestTo('files', 'Connection: close\r\n'));
      assert.equal(statusOf(await readAll(again)), 200);
      assert.equal(statusOf(await ask('files', null, '', { maxVersion, session })), 401);
    }
  });

  test('is not lost by a session of the time before the application took certificates', async () => {
    const before = await connect('late', null);
    const sessions: Buffer[] = [];
    before.on('session', (session: Buffer) => sessions.push(session));
    const early = new RawClient(before);
    assert.equal(statusOf(await early.ask(requestTo('late'))), 401);
    const identity = makeIdentity('late');
    await addKey('late', identity);

    // On a connection that was never asked for one, the client may yet have one: it has to open another.
    assert.equal(statusOf(await early.ask(requestTo('late'))), 421);
    assert.equal(statusOf(await ask('late', identity, '', { session: sessions.at(-1)! })), 200);
  });

  test('loses its WebSocket and its download within 3 s of the removal', async () => {
    const identity = makeIdentity('removed');
    const other = makeIdentity('staying');
    const credential = await addKey('wiki', identity);
    const { clientId } = await addKey('wiki', other, { clientId: credential.clientId });
    const open = await openAt('wiki', identity);
    const staying = await openAt('wiki', other);

    const dueAt = performance.now();
    await removeKey('wiki', credential);
    await assertEnded(open, dueAt);

    assert.equal(clientId, credential.clientId);
    assert.ok(!staying.socket.isClosed && !staying.download.isClosed);
    assert.equal(statusOf(await ask('wiki', identity)), 401);
    assert.equal(statusOf(await ask('wiki', other)), 200);
  });

  test('loses everything when its certificate expires, and cannot be given an expired one', async () => {
    const lifetimeMs = 20_000;
    const soon = new Date(Date.now() + lifetimeMs);
    const identity = endingAt(soon, makeIdentity('short'));
    const { endDateTime } = await addKey('short', identity);
    const open = await openAt('short', identity);

    const expiresAt = Date.parse(endDateTime);
    assert.equal(expiresAt, Math.floor(soon.getTime() / 1_000) * 1_000);
    await assertEnded(open, performance.now() + expiresAt - Date.now());

    assert.equal(statusOf(await ask('short', identity)), 401);
    const path = `/applications/${bed.applicationId('wiki')}/addKey`;
    const { status, body } = await bed.api('POST', path, { keyCredential: { key: identity.cert } });
    assert.equal(status, 400);
    assert.match(JSON.stringify(body), /has expired on/);
  });

  test('is sent to a connection of its own where it was asked at another host', async () => {
    const identity = makeIdentity('coalesced');
    const both = makeIdentity('both');
    await addKey('files', identity);
    await addKey('files', both);
    await addKey('wiki', both);

    const plain = await openHttp2('pages', identity);
    assert.equal(await statusFor(plain, 'files'), 421);
    assert.equal(await statusFor(plain, 'files', { cookie: bed.cookie('files') }), 200);
    assert.equal(await statusFor(plain, 'files', { 'sec-fetch-site': 'none' }), 401);
    const own = await openHttp2('files', identity);
    assert.equal(await statusFor(own, 'files'), 200);
    assert.equal(await statusFor(own, 'wiki'), 421);
    assert.equal(await statusFor(own, 'pages'), 401);
    const shared = await openHttp2('files', both);
    assert.equal(await statusFor(shared, 'wiki'), 200);
    const nobody = await openHttp2('files', null);
    assert.equal(await statusFor(nobody, 'files'), 401);
  });

  test('may send what it likes in Authorization; what was made for the service is looked at first', async () => {
    const identity = makeIdentity('authorized');
    const { clientId } = await addKey('files', identity);
    const own = `Authorization: Basic ${Buffer.from('job:its password there').toString('base64')}\r\n`;

    assert.equal(statusOf(await ask('files', identity, own)), 200);

    const { received } = backend.connections.at(-1)!;
    assert.match(received, /^authorization: basic /im);
    assert.match(received, new RegExp(`^x-forwarded-user: ${clientId}\\r$`, 'im'));
  });

  test('stays in while the control process stands still', async () => {
    const identity = makeIdentity('steady');
    await addKey('files', identity);
    const [control] = childrenOf(bed.service.pid!);
    await hold(control!);
    try {
      assert.equal(statusOf(await ask('files', identity)), 200);
    } finally {
      process.kill(control!, 'SIGCONT');
    }
  });
});

describe('a browser', { timeout: 300_000 }, () => {
  test('is asked for a certificate where one counts, with no list of authorities, and nowhere else', async () => {
    const { keyId } = await addKey('files', makeIdentity('asked'));

    assert.match(await handshake('files'), /CertificateRequest/);
    assert.match(await handshake('files'), /No client certificate CA names sent/);
    for (const version of ['-tls1_2', '-tls1_3']) {
      assert.match(await handshake('files', version), /CertificateRequest/);
      assert.doesNotMatch(await handshake('pages', version), /CertificateRequest/);
    }
    assert.ok(keyId);
  });

  test('is who signed in there, and is not made to speak for a program by another site', async () => {
    const identity = makeIdentity('browser');
    await addKey('files', identity);

    const cookie = `Cookie: ${bed.cookie('files')}\r\n`;
    assert.equal(statusOf(await ask('files', null, cookie)), 200);
    assert.equal(statusOf(await ask('files', identity, cookie)), 200);
    assert.match(backend.connections.at(-1)!.received, /^x-forwarded-user: ada/im);
    for (const site of ['cross-site', 'same-origin']) {
      assert.equal(statusOf(await ask('files', identity, `Sec-Fetch-Site: ${site}\r\n`)), 401);
    }
    const socket = await ask('files', identity, `Origin: https://evil.example\r\n${upgradeFields}`);
    assert.match(socket, /"code":"foreign_origin"/);
  });
});

describe('adding a certificate', { timeout: 60_000 }, () => {
  test('says what is wrong with what was given', async () => {
    const identity = makeIdentity('twice');
    const { keyId } = await addKey('pages', identity);
    const add = async (key: string) => {
      const path = `/applications/${bed.applicationId('pages')}/addKey`;
      const { status, body } = await bed.api('POST', path, { keyCredential: { key } });
      return `${status} ${JSON.stringify(body)}`;
    };

    assert.match(await add(identity.cert), new RegExp(`^409 .*${keyId}`));
    assert.match(await add(identity.key + identity.cert), /^400 .*private key/);
    assert.match(await add('nonsense'), /^400 .*no certificate in PEM/);
    assert.match(await add(identity.cert + makeIdentity('other').cert), /^400 .*These are 2 certificates/);
    assert.match(await add(identity.cert.replace(/^[A-Za-z0-9+/]{8}/m, 'AAAAAAAA')), /^400 .*cannot be read/);
    const secretRoute = `/applications/${bed.applicationId('pages')}/removePassword`;
    assert.equal((await bed.api('POST', secretRoute, { keyId })).status, 404);
    await removeKey('pages', { keyId } as Credential);
  });
});

/** The first credential of a list, once the control process has heard of its use. */
async function usedOnce(
  commandLine: CommandLine,
  list: readonly string[],
): Promise<{ lastUsedDateTime: string }> {
  for (;;) {
    const [first] = (await commandLine.run(list)) as { lastUsedDateTime: string | null }[];
    if (first?.lastUsedDateTime != null) return { lastUsedDateTime: first.lastUsedDateTime };
  }
}
