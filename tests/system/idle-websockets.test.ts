/**
 * WebSockets that nobody says anything on: every limit of the edge that has to do with silence is as short as it can be set
 * and goes by several times, the session expires, and the clocks of service and connector move on by nine hours.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { ClientHttp2Session } from 'node:http2';
import { after, before, test } from 'node:test';
import { CommandLine } from '../testbed/command-line.ts';
import { ShiftedClock } from '../testbed/fake-time.ts';
import { acceptHandshake, connectHttp2, Http2WebSocket } from '../testbed/http2-websocket.ts';
import { RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeFields } from '../testbed/raw-websocket.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const limitMs = 1_000;
/** The edge looks once a second. */
const silentMs = 5 * limitMs;
const agedSeconds = 9 * 3_600;

const clock = new ShiftedClock();
let backend: RawBackend;
let bed: Testbed;
const sessions: ClientHttp2Session[] = [];
const clients: RawClient[] = [];

before(async () => {
  backend = await RawBackend.start();
  backend.onConnection = connection => {
    let answered = 0;
    connection.socket.on('data', () => {
      if (/^upgrade:/im.test(connection.received)) {
        if (answered++ === 0) acceptHandshake(connection);
        return;
      }
      for (const count = connection.received.split('\r\n\r\n').length - 1; answered < count; answered++) {
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      }
    });
  };
  bed = await startTestbed({
    applications: [
      { name: 'wiki', internalUrl: backend.url, assignedTo: ['bob'] },
      { name: 'open', internalUrl: backend.url, passthrough: true },
    ],
    users: ['bob'],
    config: {
      limits: { clientIdleTimeoutMs: limitMs, bodyIdleTimeoutMs: limitMs, clientStallTimeoutMs: limitMs },
    },
    environment: clock.environment,
    connectorThrough: [
      'env',
      ...Object.entries(clock.environment).map(([name, value]) => `${name}=${value}`),
    ],
  });
});

after(async () => {
  for (const client of clients) client.destroy();
  for (const session of sessions) session.destroy();
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
  clock[Symbol.dispose]();
});

interface OpenWebSocket {
  readonly what: string;
  send(text: string): void;
  until(text: string): Promise<unknown>;
}

async function overHttp1(name: string): Promise<OpenWebSocket> {
  const client = new RawClient(await bed.connect(bed.hostOf(name)));
  clients.push(client);
  const cookie = name === 'open' ? '' : `Cookie: ${bed.cookie(name, 'bob')}\r\n`;
  client.send(`GET /ws HTTP/1.1\r\nHost: ${bed.hostOf(name)}\r\n${cookie}${upgradeFields}\r\n`);
  await client.until('\r\n\r\n');
  assert.match(client.received, /^HTTP\/1\.1 101 /);
  return {
    what: `HTTP/1.1 at ${name}`,
    send: text => client.send(text),
    until: text => client.until(text),
  };
}

async function overHttp2(name: string): Promise<OpenWebSocket> {
  const session = await connectHttp2(bed, bed.hostOf(name));
  sessions.push(session);
  const client = new Http2WebSocket(session, name === 'open' ? {} : { cookie: bed.cookie(name, 'bob') });
  assert.equal(await client.status(), 200);
  return {
    what: `HTTP/2 at ${name}`,
    send: text => client.stream.write(text, 'latin1'),
    until: text => client.until(text),
  };
}

function ask(name: string): Promise<string> {
  const cookie = name === 'open' ? '' : `Cookie: ${bed.cookie(name, 'bob')}\r\n`;
  return bed.exchange(
    bed.hostOf(name),
    `GET / HTTP/1.1\r\nHost: ${bed.hostOf(name)}\r\n${cookie}Connection: close\r\n\r\n`,
  );
}

/** The control process is the relay's only child. */
function controlPid(): number {
  const { pid } = bed.service;
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
}

/** Lines of `ss` about the established connections of a process. */
function connectionsOf(pid: number | undefined): string[] {
  const said = execFileSync(
    'ss',
    ['--tcp', '--numeric', '--options', '--processes', '--no-header', 'state', 'established'],
    {
      encoding: 'utf8',
    },
  );
  return said.split('\n').filter(line => line.includes(`pid=${pid},`));
}

test('TCP keeps connections of browsers and to backends alive', async () => {
  await overHttp1('open');
  await overHttp2('open');
  for (const [pid, end] of [
    [bed.service.pid, `127.0.0.1:${bed.port} `],
    [bed.connectors[0]!.process.pid, `${backend.authority} `],
  ] as const) {
    let lines = connectionsOf(pid).filter(line => line.includes(end));
    assert.ok(lines.length > 0);
    // While something is on its way it is another timer that runs.
    while (lines.some(line => !line.includes('timer:(keepalive,'))) {
      await new Promise(resolve => setTimeout(resolve, 200));
      lines = connectionsOf(pid).filter(line => line.includes(end));
    }
  }
});

test('a WebSocket on which nobody says anything stays open when its session has expired, and ends with the account', async () => {
  const open: readonly OpenWebSocket[] = [
    await overHttp1('wiki'),
    await overHttp2('wiki'),
    await overHttp1('open'),
    await overHttp2('open'),
  ];
  await new Promise(resolve => setTimeout(resolve, silentMs));
  clock.set(agedSeconds);
  // The relay hears of everything anew, as it does of what is purged.
  const from = bed.log.text.length;
  process.kill(controlPid(), 'SIGKILL');
  await bed.log.until('control process ended; starting it again', from);
  let expired = await ask('wiki');
  while (!expired.startsWith('HTTP/1.1 401 ')) expired = await ask('wiki');
  // Waits for the new control process; the token that registered the connector has expired, too.
  using administrator = await CommandLine.signIn(bed);
  await new Promise(resolve => setTimeout(resolve, silentMs));

  for (const { what, send, until } of open) {
    send(`from ${what}`);
    const inside = await Promise.any(
      backend.connections.map(async connection => {
        await connection.until(`from ${what}`);
        return connection;
      }),
    );
    inside.send('\x81\x05hello');
    await until('\x81\x05hello');
  }
  await administrator.run(['user', 'disable', 'bob']);
  for (const { until } of open.slice(0, 2)) await until('\x03\xf0access was withdrawn');
});
