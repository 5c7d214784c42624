import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Application } from '@postern/protocol/admin/applications';
import type { BackendHealth } from '@postern/protocol/admin/backend-health';
import { RawClient } from '../testbed/raw-client.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

/** From the answer of the admin API on, a change is in effect after so much at the latest. */
const boundMs = 2_000;
const timeout = 180_000;

/** A backend that says its name, counts, and can be killed and come back at the same port. */
class Backend {
  readonly name: string;
  /** Paths that it was asked for. */
  readonly paths: string[] = [];
  readonly hosts = new Set<string | undefined>();
  /** What it answers probes with. */
  health = 200;
  /** Heads of the probes that came. */
  readonly probes: http.IncomingHttpHeaders[] = [];
  #server: http.Server | null = null;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  constructor(name: string) {
    this.name = name;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  async start(): Promise<this> {
    const server = http.createServer((request, response) => {
      if (request.url === '/healthz') {
        this.probes.push(request.headers);
        response.writeHead(this.health, { location: '/elsewhere' }).end();
        return;
      }
      this.paths.push(request.url ?? '');
      if (request.url?.startsWith('/held')) return;
      if (request.url === '/ntlm') {
        response.statusCode = 401;
        response.setHeader('www-authenticate', 'NTLM');
      }
      this.hosts.add(request.headers.host);
      if (request.url === '/redirect') response.setHeader('location', `${this.url}there`);
      response.end(this.name);
    });
    server.on('connection', socket => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise(resolve => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

const backends = ['first', 'second', 'third'].map(name => new Backend(name));
const [first, second, third] = backends as [Backend, Backend, Backend];
let bed: Testbed;
const clients: RawClient[] = [];

before(async () => {
  for (const backend of backends) await backend.start();
  bed = await startTestbed({
    applications: [{ name: 'open', internalUrl: first.url, passthrough: true }],
    connectors: 2,
    config: { limits: { waitForConnectorMs: 2_000 } },
  });
});

after(async () => {
  for (const client of clients) client.destroy();
  await bed?.[Symbol.asyncDispose]();
  for (const backend of backends) await backend.kill();
});

beforeEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const backend of backends) {
    await backend.kill();
    await backend.start();
    backend.paths.length = 0;
    backend.hosts.clear();
    backend.probes.length = 0;
    backend.health = 200;
  }
});

async function publish(onPremisesPublishing: object): Promise<void> {
  const { status, body } = await bed.api('PATCH', `/applications/${bed.applicationId('open')}`, {
    onPremisesPublishing,
  });
  assert.equal(status, 204, JSON.stringify(body));
}

async function settled(onPremisesPublishing: object): Promise<void> {
  await publish(onPremisesPublishing);
  await new Promise(resolve => setTimeout(resolve, boundMs));
}

async function connectClient(): Promise<RawClient> {
  const client = new RawClient(await bed.connect(bed.hostOf('open')));
  clients.push(client);
  return client;
}

const request = (path: string, method = 'GET') =>
  `${method} ${path} HTTP/1.1\r\nHost: ${bed.hostOf('open')}\r\n\r\n`;

/** Names of the backends that answered so many requests, in a row; every one must be answered. */
async function answersTo(count: number): Promise<string[]> {
  const client = await connectClient();
  const names: string[] = [];
  for (let at = 0; at < count; at++) {
    const answer = await client.ask(request(`/${at}`));
    assert.match(answer, /^HTTP\/1\.1 200 /);
    names.push(/(first|second|third)$/.exec(answer)?.[0] ?? answer);
  }
  return names;
}

const shareOf = (names: readonly string[], name: string) => names.filter(one => one === name).length;

describe('several backends of an application', { timeout }, () => {
  test('get their shares, under the name of the internal URL, and their addresses are internal', async () => {
    await settled({
      internalUrlWeight: 7,
      backends: [{ url: second.url, weight: 2 }, { url: third.url }],
    });

    const names = await answersTo(200);

    assert.deepEqual(
      ['first', 'second', 'third'].map(name => shareOf(names, name)),
      [140, 40, 20],
    );
    for (const backend of backends) assert.deepEqual([...backend.hosts], [new URL(first.url).host]);
    const client = await connectClient();
    for (let at = 0; at < 10; at++) {
      const answer = await client.ask(request('/redirect'));
      assert.match(answer, new RegExp(`^location: https://open.bed.localhost:${bed.port}/there\r$`, 'im'));
    }
  });

  test('take each other’s requests: a killed one loses none that was not sent, and is back by itself', async () => {
    await settled({ internalUrlWeight: 1, backends: [{ url: second.url }, { url: third.url }] });
    await answersTo(30);

    await second.kill();
    const names = await answersTo(120);

    assert.equal(shareOf(names, 'second'), 0);
    assert.ok(shareOf(names, 'first') >= 50 && shareOf(names, 'third') >= 50, `${names}`);
    await second.start();
    const since = Date.now();
    while (shareOf(await answersTo(30), 'second') === 0) {
      assert.ok(Date.now() - since < 120_000, 'it gets requests again');
    }
  });

  test('get no request that another one was sent, but for a safe one without an answer, once', async () => {
    await settled({ internalUrlWeight: 1, backends: [{ url: second.url }, { url: third.url }] });
    const seen = () => backends.filter(backend => backend.paths.some(path => path.startsWith('/held')));
    const waits = async (path: string, method: string) => {
      const answer = (await connectClient()).ask(request(path, method));
      while (!backends.some(({ paths }) => paths.includes(path))) await new Promise(setImmediate);
      return { answer, by: backends.find(({ paths }) => paths.includes(path))! };
    };

    const post = await waits('/held/post', 'POST');
    await post.by.kill();
    assert.match(await post.answer, /^HTTP\/1\.1 502 .*backend_closed/s);
    assert.deepEqual(seen(), [post.by]);
    await post.by.start();

    const get = await waits('/held/get', 'GET');
    await get.by.kill();
    while (!backends.some(one => one !== get.by && one.paths.includes('/held/get'))) {
      await new Promise(setImmediate);
    }
    get.answer.catch(() => {});
    assert.equal(backends.filter(({ paths }) => paths.includes('/held/get')).length, 2);
    // What finds nobody there has not been sent, whatever it is.
    const client = await connectClient();
    for (let at = 0; at < 30; at++) {
      assert.match(await client.ask(request(`/post/${at}`, 'POST')), /^HTTP\/1\.1 200 /);
      assert.equal(backends.filter(({ paths }) => paths.includes(`/post/${at}`)).length, 1);
    }
  });

  test('keep a client whose connection one of them authenticates', async () => {
    await settled({ internalUrlWeight: 1, backends: [{ url: second.url }, { url: third.url }] });
    const client = await connectClient();

    const challenged = await client.ask(request('/ntlm'));
    const names = new Set([/(first|second|third)$/.exec(challenged)?.[0]]);
    for (let at = 0; at < 12; at++) names.add(/\w+$/.exec(await client.ask(request(`/${at}`)))?.[0]);

    assert.match(challenged, /^HTTP\/1\.1 401 /);
    assert.equal(names.size, 1);
    assert.equal(new Set(await answersTo(12)).size, 3);
  });

  test('are named by a test of the path, which one of them answers', async () => {
    const named = third.url.replace('127.0.0.1', 'localhost');
    await settled({ internalUrlWeight: 1, backends: [{ url: second.url }, { url: named }] });
    const told = new Set<string>();
    const names = new Set<string>();
    for (let at = 0; at < 3; at++) {
      const { status, body } = await bed.api('POST', `/applications/${bed.applicationId('open')}/test`, {
        path: `/test/${at}`,
      });
      assert.equal(status, 200, JSON.stringify(body));
      const { hops } = body as { hops: { hop: string; detail: string }[] };
      const detailOf = (hop: string) => hops.find(one => one.hop === hop)!.detail;
      told.add(detailOf('backendConnect'));
      names.add(detailOf('backendAnswer'));
    }

    assert.deepEqual([...told].sort(), backends.map(({ url }) => new URL(url).host).sort());
    assert.deepEqual([...names].sort(), ['from 127.0.0.1', 'from localhost']);
  });

  test('have a backup that is asked only while no other answers', async () => {
    await settled({ backends: [{ url: second.url }, { url: third.url, isBackup: true }] });
    assert.equal(shareOf(await answersTo(40), 'third'), 0);

    await first.kill();
    await second.kill();
    const names = await answersTo(40);

    assert.equal(shareOf(names, 'third'), 40);
    await first.start();
    const since = Date.now();
    while (shareOf(await answersTo(10), 'third') > 0) {
      assert.ok(Date.now() - since < 120_000, 'the backup is left alone again');
    }
  });

  test('come and go while people use them, and no request is lost', async () => {
    await settled({ internalUrlWeight: 1, backends: [] });
    let isOver = false;
    const failures: string[] = [];
    const load = Array.from({ length: 4 }, async (_, user) => {
      const client = await connectClient();
      for (let at = 0; !isOver; at++) {
        const answer = await client.ask(request(`/load/${user}/${at}`));
        if (!/^HTTP\/1\.1 200 /.test(answer)) failures.push(answer);
      }
    });

    await publish({ backends: [{ url: second.url }, { url: third.url }] });
    await new Promise(resolve => setTimeout(resolve, boundMs));
    const [all, before] = [new Set(await answersTo(30)), second.paths.length];
    await publish({ backends: [{ url: third.url, weight: 3 }] });
    await new Promise(resolve => setTimeout(resolve, boundMs));
    const after = second.paths.length;
    const rest = await answersTo(40);
    isOver = true;
    await Promise.all(load);

    assert.deepEqual(failures, []);
    assert.deepEqual([...all].sort(), ['first', 'second', 'third']);
    assert.ok(after > before);
    assert.equal(second.paths.length, after);
    assert.equal(shareOf(rest, 'second'), 0);
  });

  test('keep a client each where the application asks for it', async () => {
    await settled({
      internalUrlWeight: 1,
      backends: [{ url: second.url }, { url: third.url }],
      isSessionAffinityEnabled: true,
    });

    const names = new Set(await answersTo(30));
    const [kept] = names;
    const own = backends.find(backend => backend.name === kept)!;

    assert.equal(names.size, 1);
    await own.kill();
    const others = new Set(await answersTo(30));
    assert.equal(others.size, 1);
    assert.notDeepEqual(others, names);
    await settled({ isSessionAffinityEnabled: false });
  });
});

/** How each backend fares through each connector. */
async function health(): Promise<BackendHealth[]> {
  const { body } = await bed.api('GET', `/applications/${bed.applicationId('open')}/backendHealth`);
  return (body as { value: BackendHealth[] }).value;
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const since = Date.now();
  while (!(await isSo())) {
    assert.ok(Date.now() - since < 120_000, what);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

const statesOf = async (backend: Backend) => {
  const found = (await health()).find(one => one.url === backend.url);
  return [...new Set(found?.connectors.map(({ state }) => state))].join();
};

describe('probes', { timeout }, () => {
  const healthProbe = {
    ...{ isEnabled: true, path: '/healthz', intervalSeconds: 1, timeoutSeconds: 2 },
    ...{ expectedStatuses: ['200-299'], unhealthyAfter: 2, healthyAfter: 2 },
  };

  test('mark a backend that answers wrongly, and take the mark away again', async () => {
    await settled({ internalUrlWeight: 1, backends: [{ url: second.url }], healthProbe });
    await until('both are healthy', async () =>
      [await statesOf(first), await statesOf(second)].every(state => state === 'healthy'),
    );
    assert.equal(shareOf(await answersTo(20), 'second'), 10);

    second.health = 503;
    await until('it is marked', async () => (await statesOf(second)) === 'unhealthy');
    assert.equal(shareOf(await answersTo(20), 'second'), 0);
    const [, marked] = await health();
    const [through] = marked!.connectors;
    assert.equal(through!.lastFailure!.code, 'unexpected_status');
    assert.equal(through!.lastFailure!.detail, 'it answered 503');
    assert.equal(through!.lastFailure!.hop, 'backend');
    assert.match(through!.lastFailure!.remedy, /own log/);
    assert.ok(Date.parse(through!.sinceDateTime!) <= Date.now());

    second.health = 200;
    await until('the mark is gone', async () => (await statesOf(second)) === 'healthy');
    assert.equal(shareOf(await answersTo(20), 'second'), 10);
  });

  test('come from the service alone, with nobody’s identity, and follow no redirect', async () => {
    await settled({ backends: [], healthProbe: { ...healthProbe, expectedStatuses: ['200'] } });
    first.health = 302;
    await until('a redirect is no 200', async () => (await statesOf(first)) === 'unhealthy');
    const [probe] = first.probes;

    assert.equal(probe!['user-agent'], 'Postern-Health-Probe');
    assert.equal(probe!.host, new URL(first.url).host);
    assert.equal(probe!.cookie ?? probe!.authorization ?? probe!['x-forwarded-for'], undefined);
    assert.equal(Object.keys(probe!).filter(name => name.startsWith('x-postern')).length, 0);
    assert.ok(!first.paths.includes('/elsewhere'));
    // The only one there is: people are sent to it all the same.
    assert.equal(shareOf(await answersTo(5), 'first'), 5);
  });

  test('find a backend that is down, and nothing is held against it once they are off', async () => {
    await settled({ backends: [{ url: second.url }], healthProbe });
    await second.kill();
    await until('it is marked', async () => (await statesOf(second)) === 'unhealthy');
    const [, down] = await health();
    assert.equal(down!.connectors[0]!.lastFailure!.code, 'backend_refused');
    assert.match(down!.connectors[0]!.lastFailure!.remedy, /postern connector doctor/);

    await second.start();
    await settled({ healthProbe: { isEnabled: false } });
    await until('it is asked', async () => shareOf(await answersTo(20), 'second') > 0);
    const before = second.probes.length;
    assert.equal(await statesOf(second), 'unknown');
    await new Promise(resolve => setTimeout(resolve, boundMs));
    assert.equal(second.probes.length, before);
  });

  test('keep the status of the application true while nobody asks for it', async () => {
    await settled({ backends: [], healthProbe });
    const becomes = (state: string) =>
      until(`the application is ${state}`, async () => {
        const { body } = await bed.api('GET', `/applications/${bed.applicationId('open')}`);
        return (body as Application).status.state === state;
      });
    await first.kill();
    await becomes('unreachable');
    await first.start();
    await becomes('reachable');
  });

  test('speak HTTP/2 to a backend that does', async t => {
    const asked: string[] = [];
    const sessions = new Set<http2.ServerHttp2Session>();
    const server = http2.createServer((request, response) => {
      asked.push(`${request.httpVersion} ${request.url}`);
      response.writeHead(request.url === '/healthz' ? 204 : 200).end();
    });
    server.on('session', session => sessions.add(session));
    t.after(() => {
      for (const session of sessions) session.destroy();
      server.close();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const internalUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

    await settled({ internalUrl, backends: [], backendProtocol: 'h2c', healthProbe });
    await until('it is healthy', async () => (await health())[0]!.connectors[0]!.state === 'healthy');
    assert.deepEqual([...new Set(asked)], ['2.0 /healthz']);
    await settled({
      internalUrl: first.url,
      backendProtocol: 'http1',
      healthProbe: { isEnabled: false },
    });
  });
});
