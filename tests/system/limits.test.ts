import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { end, startTestbed, type Testbed } from '../testbed/testbed.ts';

const headTimeoutMs = 1_500;
const bodyIdleTimeoutMs = 1_500;
const clientIdleTimeoutMs = 2_500;
const waitForConnectorMs = 2_000;
const maxWaiting = 3;
const drainMs = 3_000;

let backend: RawBackend;
let bed: Testbed;
let open: string;
const clients: RawClient[] = [];

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [{ name: 'open', internalUrl: backend.url, passthrough: true }],
    config: {
      limits: {
        headTimeoutMs,
        bodyIdleTimeoutMs,
        clientIdleTimeoutMs,
        waitForConnectorMs,
        maxWaitingRequestsPerGroup: maxWaiting,
      },
      drainMs,
    },
  });
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
});

async function connectClient(): Promise<RawClient> {
  const client = new RawClient(await bed.connect(open));
  clients.push(client);
  return client;
}

function get(path = '/', fields = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${open}\r\n${fields}\r\n`;
}

/** Sends a head that never ends, a byte at a time. */
function dribble(client: RawClient): void {
  client.send(`GET /slow HTTP/1.1\r\nHost: ${open}\r\nX: `);
  const timer = setInterval(() => client.send('a'), 250);
  client.socket.once('close', () => clearInterval(timer));
}

/** How long something takes at least and at most; what is slow here is never asserted but as a bound that is promised. */
async function timed<T>(work: Promise<T>): Promise<{ result: T; tookMs: number }> {
  const startedAt = performance.now();
  const result = await work;
  return { result, tookMs: performance.now() - startedAt };
}

function fileLimit(processId: number): number {
  const limits = readFileSync(`/proc/${processId}/limits`, 'utf8');
  return Number(/^Max open files +(\d+)/m.exec(limits)![1]);
}

function setFileLimit(processId: number, limit: number): void {
  execFileSync('prlimit', ['--pid', String(processId), `--nofile=${limit}:`]);
}

describe('clients that are slow', () => {
  test('a head that arrives byte by byte is answered with 408 when its time is over', async () => {
    const client = await connectClient();
    dribble(client);

    const { result, tookMs } = await timed(client.closed());

    assert.match(result, /^HTTP\/1\.1 408 /);
    assert.match(result, /^connection: close\r$/im);
    assert.ok(tookMs >= headTimeoutMs - 100, `after ${tookMs} ms`);
    assert.equal(backend.connections.length, 0);
  });

  test('a body that stops is given up, and the backend does not take it for whole', async () => {
    const client = await connectClient();
    client.send(`POST /up HTTP/1.1\r\nHost: ${open}\r\nContent-Length: 100\r\n\r\nonly this`);

    const { tookMs } = await timed(client.closed());

    assert.ok(tookMs >= bodyIdleTimeoutMs - 100, `after ${tookMs} ms`);
    await backend.connections[0]!.closed();
    assert.match(backend.received, /only this$/);
  });

  test('a connection without a request is closed, before its first and after', async () => {
    const silent = await connectClient();
    const served = await connectClient();
    await served.ask(get());

    assert.equal(await silent.closed(), '');
    assert.match(await served.closed(), /answer 1$/);
  });

  test('1,000 of them keep nobody from being served, and all are cut', async () => {
    const slow: RawClient[] = [];
    const opening = (async () => {
      for (let batch = 0; batch < 40; batch++) {
        const ones = await Promise.all(Array.from({ length: 25 }, () => connectClient()));
        for (const client of ones) dribble(client);
        slow.push(...ones);
      }
    })();
    let isOver = false;
    const over = opening
      .then(() => Promise.all(slow.map(client => client.closed())))
      .finally(() => {
        isOver = true;
      });

    let served = 0;
    let normal = await connectClient();
    while (!isOver) {
      if (normal.isClosed) normal = await connectClient();
      assert.match(await normal.ask(get()), /^HTTP\/1\.1 200 /);
      served += 1;
    }
    const answers = await over;

    assert.equal(answers.length, 1_000);
    for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 408 /);
    assert.ok(served > 0);
    assert.doesNotMatch(backend.received, /slow/);
  });
});

describe('heads that are too large (threat D17)', () => {
  const cookies = Array.from({ length: 10_000 }, (_, at) => `c${at}=1`);
  for (const [name, status, request] of [
    ['a target of 20 KB', 414, () => get(`/${'a'.repeat(20_000)}`)],
    ['a field of 70 KB', 431, () => get('/', `X: ${'a'.repeat(70_000)}\r\n`)],
    ['a field that never ends', 431, () => get('/', `X: ${'a'.repeat(1_000_000)}`)],
    ['200 fields', 431, () => get('/', 'X: a\r\n'.repeat(200))],
    ['10,000 cookies in one field', 431, () => get('/', `Cookie: ${cookies.join('; ')}\r\n`)],
    [
      '10,000 cookies in fields of their own',
      431,
      () => get('/', cookies.map(one => `Cookie: ${one}\r\n`).join('')),
    ],
  ] as const) {
    test(`${name}: ${status}`, async () => {
      const answer = await bed.exchange(open, request());

      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.match(answer, /^connection: close\r$/im);
      assert.equal(backend.connections.length, 0);
    });
  }
});

describe('without a connector', () => {
  test('an answer that its connector’s end cuts off is cut off for the client, too', async () => {
    backend.onConnection = connection => {
      connection.socket.once('data', () => {
        const framing = connection.received.startsWith('GET /chunked')
          ? 'Transfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n'
          : 'Content-Length: 1000\r\n\r\nbegun';
        connection.send(`HTTP/1.1 200 OK\r\n${framing}`);
      });
    };
    const length = await connectClient();
    const chunked = await connectClient();
    length.send(get('/length'));
    chunked.send(get('/chunked'));
    await Promise.all([length.until('begun'), chunked.until('begun')]);

    bed.connectors[0]!.process.kill('SIGKILL');

    assert.match(await length.closed(), /begun$/);
    assert.match(await chunked.closed(), /begun\r\n$/);
  });

  test('a request waits, then fails with 503; more than may wait fail at once', async () => {
    const startedAt = performance.now();
    const waiting = await Promise.all(
      Array.from({ length: maxWaiting }, async () => {
        const client = await connectClient();
        client.send(get('/waiting'));
        return client;
      }),
    );
    // The service has read the waiting ones once it answers what came after them.
    const refused: string[] = [];
    while (refused.length === 0) {
      const client = await connectClient();
      client.send(get('/one-more'));
      refused.push(await client.until('}}'));
    }
    const refusedAfterMs = performance.now() - startedAt;
    const answers = await Promise.all(waiting.map(client => client.until('}}')));
    const answeredAfterMs = performance.now() - startedAt;

    assert.match(refused[0]!, /^HTTP\/1\.1 503 [\s\S]*"code":"too_many_waiting"/);
    for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 503 [\s\S]*"code":"no_connector"/);
    assert.ok(refusedAfterMs < waitForConnectorMs, `refused after ${refusedAfterMs} ms`);
    assert.ok(answeredAfterMs >= waitForConnectorMs - 100, `answered after ${answeredAfterMs} ms`);
    assert.equal(backend.connections.length, 0);
    await bed.connectors[0]!.restart();
  });
});

/** Starts the service with other options. */
async function startWith(change: object): Promise<void> {
  const config = parse(readFileSync(bed.configFile, 'utf8')) as Record<string, unknown>;
  writeFileSync(bed.configFile, stringify({ ...config, ...change }));
  const { log } = bed.connectors[0]!;
  const from = log.text.length;
  await bed.restartService();
  await log.until('tunnel_connected', from);
}

/** One stream without end, one download and one upload, all in the middle. */
async function openAll(): Promise<{
  events: RawClient;
  download: RawClient;
  upload: RawClient;
  finishDownload: () => void;
}> {
  let downloading: BackendConnectionLog | undefined;
  backend.onConnection = connection => {
    connection.socket.on('data', () => {
      if (connection.received.startsWith('GET /events')) {
        connection.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n');
      } else if (connection.received.startsWith('GET /download')) {
        downloading = connection;
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst');
      } else if (connection.received.endsWith('firstsecond')) {
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nuploaded');
      }
    });
  };
  const [events, download, upload] = [await connectClient(), await connectClient(), await connectClient()];
  events.send(get('/events'));
  download.send(get('/download'));
  upload.send(`POST /upload HTTP/1.1\r\nHost: ${open}\r\nContent-Length: 11\r\n\r\nfirst`);
  await Promise.all([events.until('data: 1'), download.until('first')]);
  while (!backend.received.includes('POST /upload')) await new Promise(resolve => setImmediate(resolve));
  return { events, download, upload, finishDownload: () => downloading!.send('after') };
}

describe('the service is told to end (threat I8)', () => {
  test('what can be finished is, what has no end is cut after the drain time, nobody new is let in', async () => {
    const { events, download, upload, finishDownload } = await openAll();
    const exit = once(bed.service, 'exit');
    const from = bed.log.text.length;

    const startedAt = performance.now();
    bed.service.kill('SIGTERM');
    await bed.log.until('service stops', from);
    await assert.rejects(bed.connect(open));
    upload.send('second');
    finishDownload();

    assert.match(await upload.closed(), /uploaded$/);
    assert.match(await download.closed(), /firstafter$/);
    const [code] = await exit;
    const tookMs = performance.now() - startedAt;
    assert.equal(code, 0);
    // A chunked answer without its last chunk: nobody takes it for whole.
    assert.doesNotMatch(await events.closed(), /\r\n0\r\n\r\n$/);
    assert.ok(tookMs >= drainMs - 100, `ended after ${tookMs} ms`);
  });

  test('a second signal ends it at once', async () => {
    await startWith({ drainMs: 600_000, limits: { maxConnections: 20 } });
    const { events } = await openAll();
    const exit = once(bed.service, 'exit');
    const from = bed.log.text.length;

    bed.service.kill('SIGTERM');
    await bed.log.until('service stops', from);
    bed.service.kill('SIGTERM');

    assert.deepEqual(await exit, [1, null]);
    await events.closed();
  });

  test('when the most connections are open, further ones are closed, and accepted again when there is room (threat H3)', async () => {
    await startWith({});
    let refused = 0;
    for (let index = 0; index < 30; index++) {
      await connectClient().catch(() => {
        refused += 1;
      });
    }
    assert.ok(refused >= 10, `${refused} were refused`);

    for (const client of clients.splice(0)) client.destroy();

    await untilAccepted();
    assert.match(await bed.exchange(open, get('/', 'Connection: close\r\n')), /^HTTP\/1\.1 200 /);
  });

  test('without file descriptors it refuses connections, keeps those it has, and recovers (threat H3)', async () => {
    await startWith({});
    const client = await connectClient();
    assert.match(await client.ask(get()), /^HTTP\/1\.1 200 /);
    const relay = bed.service.pid!;
    const before = fileLimit(relay);
    const used = readdirSync(`/proc/${relay}/fd`).length;

    setFileLimit(relay, used + 5);
    let refused = 0;
    for (let index = 0; index < 20; index++) {
      await connectClient().catch(() => {
        refused += 1;
      });
    }

    assert.ok(refused >= 10, `${refused} were refused`);
    assert.match(await client.ask(get()), /^HTTP\/1\.1 200 /);
    for (const other of clients.splice(0)) if (other !== client) other.destroy();
    setFileLimit(relay, before);
    await untilAccepted();
    assert.match(await bed.exchange(open, get('/', 'Connection: close\r\n')), /^HTTP\/1\.1 200 /);
    client.destroy();
  });

  test('while idle it ends without waiting', async () => {
    const idle = await connectClient();
    await idle.ask(get());

    const exit = once(bed.service, 'exit');
    await end(bed.service);

    assert.deepEqual(await exit, [0, null]);
    await idle.closed();
  });
});

/** Connects until the service has noticed that others have gone. */
async function untilAccepted(): Promise<void> {
  for (;;) {
    const client = await connectClient().catch(() => null);
    if (client !== null) return client.destroy();
  }
}
