import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { BackendHealth } from '@postern/protocol/admin/backend-health';
import { Forwarder } from '../testbed/forwarder.ts';
import { answerEveryRequest, type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { end, startTestbed, type Testbed, type TestConnector } from '../testbed/testbed.ts';

/** A connector is back so soon after its link is. */
const reconnectMs = 5_000;

let backend: RawBackend;
let bed: Testbed;
let open: string;
/** Between each connector and the service. */
const links: Forwarder[] = [];
const clients: RawClient[] = [];

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [{ name: 'open', internalUrl: backend.url, passthrough: true }],
    connectors: 2,
    tunnelPort: async publicPort => {
      const link = await Forwarder.start(publicPort);
      links.push(link);
      return link.port;
    },
  });
  open = bed.hostOf('open');
});

after(async () => {
  for (const client of clients) client.destroy();
  await bed?.[Symbol.asyncDispose]();
  for (const link of links) await link[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const link of links) link.restore();
  await backend.reset();
});

async function connectClient(): Promise<RawClient> {
  const client = new RawClient(await bed.connect(open));
  clients.push(client);
  return client;
}

/** Starts connectors again; each takes requests once it has been told what it may dial. */
async function restart(...connectors: readonly TestConnector[]): Promise<void> {
  await Promise.all(connectors.map(connector => connector.restart()));
  for (const connector of connectors) await untilServing(connector, true);
}

/** Waits until the service sends requests to a connector, or does not any more. */
async function untilServing({ id }: TestConnector, wanted: boolean): Promise<void> {
  const isServing = async () => {
    const { body } = await bed.api('GET', `/applications/${bed.applicationId('open')}/backendHealth`);
    const [health] = (body as { value: BackendHealth[] }).value;
    return health!.connectors.some(({ connectorId, state }) => connectorId === id && state !== 'offline');
  };
  while ((await isServing()) !== wanted) await new Promise(resolve => setTimeout(resolve, 20));
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${open}\r\n\r\n`;
}

/** The body is a whole line, so that the next request's line begins one. */
function post(path: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: ${open}\r\nContent-Length: 6\r\n\r\nbody\r\n`;
}

function timesSeen(path: string): number {
  return backend.requestLines.filter(line => line.split(' ')[1] === path).length;
}

/** Asserts that a change lets all connectors back in within the bound. */
async function assertReconnected(connectors: readonly TestConnector[], change: () => void): Promise<void> {
  const from = connectors.map(({ log }) => log.text.length);
  const startedAt = performance.now();
  change();
  await Promise.all(connectors.map(({ log }, at) => log.until('tunnel_connected', from[at])));
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs <= reconnectMs, `back after ${Math.round(tookMs)} ms`);
}

/** Waits until the service knows of no tunnel any more. */
async function untilNoTunnel(from: number): Promise<void> {
  const count = (text: string) => bed.log.text.split(text).length;
  while (count('"tunnel down"') < count('"tunnel up"')) {
    await bed.log.until('"tunnel down"', from);
    from = bed.log.text.lastIndexOf('"tunnel down"') + 1;
  }
}

/** Sends requests until one has gone over a link: its connector is in use again. */
async function untilUsed(link: Forwarder): Promise<void> {
  const size = 50_000;
  const client = await connectClient();
  for (const from = link.carriedBytes; link.carriedBytes < from + size; ) {
    const answer = await client.ask(
      `POST /probe HTTP/1.1\r\nHost: ${open}\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size - 2)}\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 200 /);
  }
}

test('what a backend refuses is not asked again, nor of another connector (threat H7)', async () => {
  const busy = 'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy';
  backend.onConnection = async connection => {
    for (let from = 0; ; ) {
      await connection.until(() => /\r\n\r\n(body\r\n)?$/.test(connection.received.slice(from)));
      from = connection.received.length;
      connection.send(busy);
    }
  };

  const answers = [];
  for (const request of [get('/busy'), post('/busy')])
    answers.push(await (await connectClient()).ask(request));

  for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 503 .*busy$/s);
  assert.equal(timesSeen('/busy'), 2);
});

describe('the link between connectors and service', () => {
  test('is cut and back: requests that came meanwhile are served, each once', async () => {
    const from = bed.log.text.length;
    for (const link of links) link.cut();
    await untilNoTunnel(from);

    const asking = [get('/get'), post('/post')].map(async request => (await connectClient()).ask(request));
    await assertReconnected(bed.connectors, () => {
      for (const link of links) link.restore();
    });
    const answers = await Promise.all(asking);

    for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 /);
    assert.equal(timesSeen('/get'), 1);
    assert.equal(timesSeen('/post'), 1);
  });

  test('of one connector falls silent: safe requests are served by the other, a POST is never sent twice', async () => {
    await untilUsed(links[0]!);
    const logged = bed.connectors[0]!.log.text.length;
    links[0]!.stall();
    const ready = await Promise.all(Array.from({ length: 40 }, () => connectClient()));
    // POSTs first: whatever waits on the silent link makes the other connector the better choice.
    const posts = ready.slice(0, 20).map((client, at) => client.ask(post(`/post${at}`)));
    const gets = ready.slice(20).map((client, at) => client.ask(get(`/get${at}`)));

    for (const answer of await Promise.all(gets)) assert.match(answer, /^HTTP\/1\.1 200 /);
    const postAnswers = await Promise.all(posts);
    await bed.connectors[0]!.log.until('tunnel_lost', logged);
    await assertReconnected(bed.connectors.slice(0, 1), () => links[0]!.restore());

    for (const [at, answer] of postAnswers.entries()) {
      if (answer.startsWith('HTTP/1.1 200')) assert.equal(timesSeen(`/post${at}`), 1);
      else {
        assert.match(answer, /"code":"tunnel_lost"/);
        assert.equal(timesSeen(`/post${at}`), 0);
      }
    }
    assert.ok(
      postAnswers.some(answer => answer.startsWith('HTTP/1.1 502')),
      'nothing went the silent way',
    );
  });
});

describe('a connector that ends', () => {
  test('SIGTERM: what is in flight is finished, what comes meanwhile is served when it is back', async () => {
    const [first, second] = bed.connectors as [TestConnector, TestConnector];
    await end(second.process);
    let inFlight: BackendConnectionLog | undefined;
    backend.onConnection = connection => {
      inFlight ??= connection;
    };
    const early = await connectClient();
    const answer = early.ask(post('/early'));
    while (inFlight === undefined) await new Promise(resolve => setImmediate(resolve));
    await inFlight.until('body');
    const exit = once(first.process, 'exit');

    first.process.kill('SIGTERM');
    await first.log.until('connector_draining');
    backend.onConnection = answerEveryRequest;
    const late = (await connectClient()).ask(post('/late'));
    inFlight.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone');

    assert.match(await answer, /done$/);
    assert.deepEqual(await exit, [0, null]);
    await restart(first, second);
    assert.match(await late, /^HTTP\/1\.1 200 /);
    assert.equal(timesSeen('/early'), 1);
    assert.equal(timesSeen('/late'), 1);
  });

  test('kill -9: a safe request is answered through another, a POST that reached the backend is not sent again', async () => {
    const [first, second] = bed.connectors as [TestConnector, TestConnector];
    await end(second.process);
    let waiting = 0;
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => {
        waiting += 1;
      });
    };
    const safe = (await connectClient()).ask(get('/safe'));
    const unsafe = (await connectClient()).ask(post('/unsafe'));
    while (waiting < 2) await new Promise(resolve => setImmediate(resolve));
    await restart(second);
    backend.onConnection = answerEveryRequest;

    first.process.kill('SIGKILL');

    assert.match(await safe, /^HTTP\/1\.1 200 /);
    const lost = await unsafe;
    assert.match(lost, /^HTTP\/1\.1 502 /);
    assert.match(lost, /"code":"tunnel_lost"/);
    assert.equal(timesSeen('/safe'), 2);
    assert.equal(timesSeen('/unsafe'), 1);
    await restart(first);
  });
});

test('kill -9 of the only connector: safe requests are answered through the next one that comes', async () => {
  const [first, second] = bed.connectors as [TestConnector, TestConnector];
  links[1]!.cut();
  await untilServing(second, false);
  let waiting = 0;
  backend.onConnection = connection => {
    void connection.until('\r\n\r\n').then(() => {
      waiting += 1;
    });
  };
  const paths = Array.from({ length: 12 }, (_, index) => `/safe-${index}`);
  const asking = paths.map(async path => (await connectClient()).ask(get(path)));
  while (waiting < paths.length) await new Promise(resolve => setImmediate(resolve));
  backend.onConnection = answerEveryRequest;

  first.process.kill('SIGKILL');
  await untilServing(first, false);
  links[1]!.restore();

  for (const answer of await Promise.all(asking)) assert.match(answer, /^HTTP\/1\.1 200 /);
  for (const path of paths) assert.equal(timesSeen(path), 2, path);
  await restart(first);
});

describe('two connectors under load, one of which ends', () => {
  const clientCount = 8;
  const requestCount = 60;

  interface Outcome {
    readonly path: string;
    readonly isPost: boolean;
    readonly answer: string;
  }

  /** Mixed requests on keep-alive connections; `inTheMiddle` is called once a third of them have been answered. */
  async function load(label: string, inTheMiddle: () => void): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    const total = clientCount * requestCount;
    let isPast = false;
    const run = async (client: number) => {
      const connection = await connectClient();
      for (let index = 0; index < requestCount; index++) {
        const path = `/${label}-${client}-${index}`;
        const isPost = (client + index) % 2 === 0;
        const answer = await connection.ask(isPost ? post(path) : get(path));
        outcomes.push({ path, isPost, answer });
        if (!isPast && outcomes.length >= total / 3) {
          isPast = true;
          inTheMiddle();
        }
      }
    };
    await Promise.all(Array.from({ length: clientCount }, (_, client) => run(client)));
    assert.equal(outcomes.length, total);
    return outcomes;
  }

  /** How often the backend saw each path. */
  function countSeen(): Map<string, number> {
    const seen = new Map<string, number>();
    for (const line of backend.requestLines) {
      const path = line.split(' ')[1]!;
      seen.set(path, (seen.get(path) ?? 0) + 1);
    }
    return seen;
  }

  test('SIGTERM: nobody notices', async () => {
    const [first] = bed.connectors as [TestConnector];
    const exit = once(first.process, 'exit');

    const outcomes = await load('drained', () => first.process.kill('SIGTERM'));

    const seen = countSeen();
    for (const { path, isPost, answer } of outcomes) {
      assert.match(answer, /^HTTP\/1\.1 200 /, path);
      if (isPost) assert.equal(seen.get(path), 1, path);
    }
    await exit;
    await restart(first);
  });

  test('kill -9: no safe request fails, only POSTs that were under way do, and none is sent twice', async () => {
    const [first] = bed.connectors as [TestConnector];

    const outcomes = await load('killed', () => first.process.kill('SIGKILL'));

    const seen = countSeen();
    let failed = 0;
    for (const { path, isPost, answer } of outcomes) {
      const times = seen.get(path) ?? 0;
      if (!isPost) assert.match(answer, /^HTTP\/1\.1 200 /, path);
      else if (answer.startsWith('HTTP/1.1 200')) assert.equal(times, 1, path);
      else {
        failed += 1;
        assert.match(answer, /"code":"tunnel_lost"/, path);
        assert.ok(times <= 1, path);
      }
    }
    assert.ok(failed <= clientCount, `${failed} failed, more than were under way`);
    await restart(first);
  });
});
