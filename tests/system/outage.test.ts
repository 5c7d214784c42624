import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeAccepted, upgradeFields } from '../testbed/raw-websocket.ts';
import { childrenOf, hold, startTestbed, type Testbed } from '../testbed/testbed.ts';

let backend: RawBackend;
let bed: Testbed;
let wiki: string;
let open: string;
const clients: RawClient[] = [];

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [
      { name: 'wiki', internalUrl: backend.url },
      { name: 'open', internalUrl: backend.url, passthrough: true },
    ],
  });
  wiki = bed.hostOf('wiki');
  open = bed.hostOf('open');
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

function downloadOrUpgrade(connection: BackendConnectionLog): void {
  let answered = 0;
  connection.socket.on('data', () => {
    if (connection.received.startsWith('GET /download')) {
      if (answered++ === 0)
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nthe first bytes');
      return;
    }
    if (/^upgrade:/im.test(connection.received)) {
      if (answered++ === 0) connection.send(`${upgradeAccepted}\x81\x05hello`);
      return;
    }
    const asked = connection.received.split('\r\n\r\n').length - 1;
    for (; answered < asked; answered++) connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  });
}

async function connectClient(host: string): Promise<RawClient> {
  const client = new RawClient(await bed.connect(host));
  clients.push(client);
  return client;
}

/** A request of the signed-in administrator. */
function signedIn(path = '/', connection = 'keep-alive'): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${wiki}\r\nCookie: ${bed.cookie('wiki')}\r\nConnection: ${connection}\r\n\r\n`;
}

function controlPid(): number {
  const [pid] = childrenOf(bed.service.pid!);
  assert.ok(pid !== undefined, 'the service has no child');
  return pid;
}

async function signIn(): Promise<string> {
  const { name, password } = bed.administrator;
  const form = new URLSearchParams({
    grant_type: 'urn:postern:params:grant-type:credentials',
    client_id: 'postern-cli',
    username: name,
    password,
    scope: 'openid api',
  }).toString();
  const login = `login.${bed.domain}`;
  return bed.exchange(
    login,
    `POST /token HTTP/1.1\r\nHost: ${login}\r\nContent-Type: application/x-www-form-urlencoded\r\n` +
      `Content-Length: ${form.length}\r\nConnection: close\r\n\r\n${form}`,
  );
}

describe('the control process is killed', () => {
  test('what is open goes on, signed-in people are served, and sign-in is back when it is', async () => {
    const socket = await connectClient(wiki);
    socket.send(
      `GET /socket HTTP/1.1\r\nHost: ${wiki}\r\nCookie: ${bed.cookie('wiki')}\r\n${upgradeFields}\r\n`,
    );
    await socket.until('\x81\x05hello');
    const download = await connectClient(wiki);
    download.send(signedIn('/download'));
    await download.until('the first bytes');
    const keptAlive = await connectClient(wiki);
    assert.match(await keptAlive.ask(signedIn()), /^HTTP\/1\.1 200 /);
    const killed = controlPid();
    const logged = bed.log.text.length;

    process.kill(killed, 'SIGKILL');
    await bed.log.until('control process ended; starting it again', logged);

    assert.match(await keptAlive.ask(signedIn()), /^HTTP\/1\.1 200 /);
    assert.match(await bed.exchange(wiki, signedIn('/', 'close')), /^HTTP\/1\.1 200 /);
    // Waits for the new process.
    assert.match(await signIn(), /^HTTP\/1\.1 200 [\s\S]*access_token/);
    assert.notEqual(controlPid(), killed);
    const users = await bed.api('GET', '/users');
    assert.equal(users.status, 200);

    assert.match(await keptAlive.ask(signedIn()), /^HTTP\/1\.1 200 /);
    for (const connection of backend.connections) {
      if (connection.received.startsWith('GET /socket')) connection.send('\x81\x02ok');
      if (connection.received.startsWith('GET /download')) connection.send('and more');
    }
    await socket.until('\x81\x02ok');
    await download.until('the first bytesand more');
    assert.doesNotMatch(bed.connectors[0]!.log.text, /tunnel_lost/);
    assert.doesNotMatch(bed.log.text, /tunnel down/);
  });
});

describe('the service is killed and started again', () => {
  test('its connector is back within 5 s, and sessions are what they were', async () => {
    // Comes into force with the start; the last test needs it.
    const config = parse(readFileSync(bed.configFile, 'utf8')) as Record<string, unknown>;
    writeFileSync(bed.configFile, stringify({ ...config, limits: { feedGraceMs: 2_000 } }));
    const { log } = bed.connectors[0]!;
    const logged = log.text.length;

    await bed.restartService();
    const listensSince = performance.now();
    await log.until('tunnel_connected', logged);
    const tookMs = performance.now() - listensSince;

    assert.ok(tookMs <= 5_000, `connected after ${Math.round(tookMs)} ms`);
    assert.match(await bed.exchange(wiki, signedIn('/', 'close')), /^HTTP\/1\.1 200 /);
    const { status } = await bed.api('GET', '/users');
    assert.equal(status, 200);
  });
});

describe('the control process stands still', () => {
  test('after the grace signed-in people are refused, passthrough goes on, and all is well when it goes on', async () => {
    const socket = await connectClient(open);
    const stopped = controlPid();
    const logged = bed.log.text.length;

    await hold(stopped);
    try {
      // It is not believed dead before it was silent for 15 s.
      assert.match(await bed.exchange(wiki, signedIn('/', 'close')), /^HTTP\/1\.1 200 /);
      await bed.log.until('connection to the control process lost', logged);

      const refused = await bed.exchange(wiki, signedIn('/', 'close'));
      assert.match(refused, /^HTTP\/1\.1 503 /);
      assert.match(refused, /"code":"state_stale"/);
      assert.match(await socket.ask(`GET / HTTP/1.1\r\nHost: ${open}\r\n\r\n`), /^HTTP\/1\.1 200 /);
    } finally {
      process.kill(stopped, 'SIGCONT');
    }

    // The first answer of the API comes from a process that runs; the feed follows on its own.
    assert.equal((await bed.api('GET', '/users')).status, 200);
    await untilServed();
  });
});

/** Asks until the relay has its snapshot again. */
async function untilServed(): Promise<void> {
  const client = await connectClient(wiki);
  for (;;) {
    const answer = await client.ask(signedIn());
    if (answer.startsWith('HTTP/1.1 200')) return;
    assert.match(answer, /"code":"state_stale"/);
  }
}
