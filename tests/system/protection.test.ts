import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { after, before, beforeEach, describe, test } from 'node:test';
import { RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeAccepted, upgradeFields } from '../testbed/raw-websocket.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

let backend: RawBackend;
let bed: Testbed;
const clients: RawClient[] = [];
/** Of one client at the whole service: few enough that none comes back while they are used up. */
const mostOfClient = 30;

/** Who asks is said by a proxy that is trusted, so that one machine can be many clients. */
before(async () => {
  backend = await RawBackend.start();
  const application = (name: string, limits: object) => ({
    name,
    internalUrl: backend.url,
    passthrough: true,
    publishing: { limits },
  });
  bed = await startTestbed({
    applications: [
      application('rate', { requestsPerMinutePerClient: 3 }),
      application('total', { requestsPerMinute: 4 }),
      application('open', { openRequestsPerClient: 2, openRequests: 3 }),
      application('sockets', { openUpgradesPerClient: 1, openUpgrades: 2 }),
      application('inside', {
        allowedNetworks: ['10.0.0.0/8', '2001:db8::/32'],
        deniedNetworks: ['10.6.6.0/24'],
      }),
      { name: 'wiki', internalUrl: backend.url },
      { name: 'any', internalUrl: backend.url, passthrough: true },
    ],
    config: {
      trustedProxies: ['127.0.0.1'],
      protection: {
        maxRequestsPerMinutePerClient: mostOfClient,
        maxOpenUpgrades: 4,
        maxOpenUpgradesPerClient: 3,
        deniedNetworks: ['203.0.113.0/24', '2001:db8:bad::/48'],
      },
    },
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
});

function get(name: string, address: string, fields = ''): Promise<string> {
  const host = bed.hostOf(name);
  return bed.exchange(
    host,
    `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nX-Forwarded-For: ${address}\r\n${fields}\r\n`,
  );
}

function statusOf(answer: string): number {
  return Number(answer.slice(9, 12));
}

async function connect(name: string): Promise<RawClient> {
  const client = new RawClient(await bed.connect(bed.hostOf(name)));
  clients.push(client);
  return client;
}

/** Asks the metrics listener for the value of one line. */
async function metric(line: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${bed.privatePort}/metrics`)).text();
  const found = text
    .split('\n')
    .find(one => one.startsWith(line.slice(0, line.indexOf('{') + 1)) && includesAll(one, line));
  return found === undefined ? 0 : Number(found.split(' ').pop());
}

function includesAll(text: string, line: string): boolean {
  const labels = /\{(.*)\}/.exec(line)?.[1]?.split(',') ?? [];
  return labels.every(label => text.includes(label));
}

describe('a rate', () => {
  test('of one client is kept to: 429 with Retry-After, and nothing at the backend', async () => {
    const statuses: number[] = [];
    for (let index = 0; index < 5; index++) statuses.push(statusOf(await get('rate', '192.0.2.1')));
    const refused = await get('rate', '192.0.2.1');

    assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
    assert.match(refused, /^retry-after: (1\d|20|[1-9])\r$/m);
    assert.match(refused, /"code":"too_many_requests"/);
    assert.equal(backend.requestLines.length, 3);
    const line = `postern_refused_requests_total{code="too_many_requests",application="${bed.applicationId('rate')}"}`;
    assert.equal(await metric(line), 3);
  });

  test('is a page for people', async () => {
    for (let index = 0; index < 3; index++) await get('rate', '192.0.2.20');

    const refused = await get('rate', '192.0.2.20', 'Accept: text/html\r\n');

    assert.match(refused, /^content-type: text\/html/m);
    assert.match(refused, /<h1>Too many requests<\/h1>/);
  });

  test('of one client says nothing about others, and a whole /64 of IPv6 is one', async () => {
    for (let index = 0; index < 4; index++) await get('rate', '192.0.2.2');

    assert.equal(statusOf(await get('rate', '192.0.2.3')), 200);
    const site: number[] = [];
    for (let index = 1; index <= 4; index++) site.push(statusOf(await get('rate', `2001:db8:1:2::${index}`)));
    assert.deepEqual(site, [200, 200, 200, 429]);
    assert.equal(statusOf(await get('rate', '2001:db8:1:3::1')), 200);
  });

  test('counts the streams of HTTP/2', async () => {
    const host = bed.hostOf('rate');
    const socket = await bed.connect(host, ['h2']);
    const session = http2.connect(`https://${host}:${bed.port}`, { createConnection: () => socket });
    const ask = () =>
      new Promise<Record<string, unknown>>((resolve, reject) => {
        const stream = session.request({ ':path': '/', 'x-forwarded-for': '192.0.2.30' });
        stream.once('response', resolve);
        stream.once('error', reject);
        stream.resume();
      });

    const answers = await Promise.all([ask(), ask(), ask(), ask()]);
    session.destroy();

    assert.deepEqual(answers.map(answer => answer[':status']).sort(), [200, 200, 200, 429]);
    assert.ok(answers.some(answer => Number(answer['retry-after']) > 0));
  });

  test('of everybody together is kept to whoever asks', async () => {
    const statuses: number[] = [];
    for (let index = 1; index <= 6; index++)
      statuses.push(statusOf(await get('total', `198.51.100.${index}`)));

    assert.deepEqual(statuses, [200, 200, 200, 200, 429, 429]);
    assert.match(await get('total', '198.51.100.9'), /"code":"application_busy"/);
  });

  test('of the whole service counts every application, and sign-in', async () => {
    const client = await connect('any');
    const host = bed.hostOf('any');
    for (let index = 0; index < mostOfClient; index++) {
      const answer = await client.ask(
        `GET / HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-For: 192.0.2.40\r\n\r\n`,
      );
      assert.equal(statusOf(answer), 200);
    }

    assert.equal(statusOf(await get('any', '192.0.2.40')), 429);
    assert.equal(statusOf(await get('wiki', '192.0.2.40')), 429);
    assert.equal(statusOf(await get('wiki', '192.0.2.41')), 401);
  });
});

describe('requests at a time', () => {
  /** Sends a request that the backend does not answer. */
  async function hang(name: string, address: string): Promise<RawClient> {
    const client = await connect(name);
    const before = backend.requestLines.length;
    client.send(`GET /hang HTTP/1.1\r\nHost: ${bed.hostOf(name)}\r\nX-Forwarded-For: ${address}\r\n\r\n`);
    const deadline = performance.now() + 30_000;
    while (backend.requestLines.length === before) {
      assert.ok(performance.now() < deadline);
      await new Promise(resolve => setImmediate(resolve));
    }
    return client;
  }

  test('are counted until they end, of one client and of everybody', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => {
        if (connection.received.includes('/hang')) return;
        connection.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      });
    };
    const first = await hang('open', '192.0.2.1');
    await hang('open', '192.0.2.1');

    const third = await get('open', '192.0.2.1');
    assert.match(third, /^HTTP\/1\.1 429 [\s\S]*^retry-after: 5\r$[\s\S]*"code":"too_many_open"/m);
    assert.equal(statusOf(await get('open', '192.0.2.2')), 200);

    await hang('open', '192.0.2.2');
    assert.match(await get('open', '192.0.2.3'), /^HTTP\/1\.1 429 [\s\S]*"code":"application_busy"/);

    // Whoever leaves makes room; the service knows once the backend does.
    first.destroy();
    await backend.connections[0]!.closed();
    assert.equal(statusOf(await get('open', '192.0.2.3')), 200);
  });
});

describe('open WebSockets', () => {
  async function openSocket(name: string, address: string): Promise<{ client: RawClient; answer: string }> {
    const client = await connect(name);
    client.send(
      `GET /ws HTTP/1.1\r\nHost: ${bed.hostOf(name)}\r\nX-Forwarded-For: ${address}\r\n${upgradeFields}\r\n`,
    );
    return { client, answer: await client.until('\r\n\r\n') };
  }

  test('are bounded: of one client, of an application, of the service', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => connection.send(upgradeAccepted));
    };

    const first = await openSocket('sockets', '192.0.2.1');
    const second = await openSocket('sockets', '192.0.2.1');
    const third = await openSocket('sockets', '192.0.2.2');
    const fourth = await openSocket('sockets', '192.0.2.3');
    assert.deepEqual(
      [first, second, third, fourth].map(one => statusOf(one.answer)),
      [101, 429, 101, 429],
    );
    await fourth.client.until('application_busy');

    const [fifth, sixth, seventh] = [
      await openSocket('any', '192.0.2.4'),
      await openSocket('any', '192.0.2.4'),
      await openSocket('any', '192.0.2.5'),
    ];
    assert.deepEqual(
      [fifth, sixth, seventh].map(one => statusOf(one!.answer)),
      [101, 101, 429],
    );
    await seventh!.client.until('service_busy');

    first.client.destroy();
    await backend.connections[0]!.closed();
    assert.equal(statusOf((await openSocket('sockets', '192.0.2.6')).answer), 101);
  });
});

describe('networks', () => {
  for (const [address, status] of [
    ['10.1.2.3', 200],
    ['::ffff:10.1.2.3', 200],
    ['2001:db8::7', 200],
    ['10.6.6.1', 403],
    ['192.0.2.1', 403],
    ['2001:db9::1', 403],
    ['10.1.2.3:5678', 200],
    ['[2001:db8::7]:443', 200],
    ['[2001:db9::7]:443', 403],
    // What a client says of itself in front of the proxy counts for nothing.
    ['10.1.2.3, 192.0.2.1', 403],
    ['192.0.2.1, 10.1.2.3', 200],
    ['nonsense', 403],
  ] as const) {
    test(`of an application: ${address} gets ${status}`, async () => {
      assert.equal(statusOf(await get('inside', address)), status);
    });
  }

  test('of the service: nothing is answered to them, robots and sign-in neither', async () => {
    for (const address of ['203.0.113.9', '2001:db8:bad::1']) {
      const refused = await get('any', address);
      assert.match(refused, /^HTTP\/1\.1 403 [\s\S]*"code":"address_not_allowed"/);
      assert.equal(statusOf(await get('wiki', address)), 403);
    }
    assert.equal(backend.connections.length, 0);
  });

  test('that are denied now end what is open', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => connection.send(upgradeAccepted));
    };
    const client = await connect('any');
    client.send(
      `GET /ws HTTP/1.1\r\nHost: ${bed.hostOf('any')}\r\nX-Forwarded-For: 198.18.0.1\r\n${upgradeFields}\r\n`,
    );
    await client.until('\r\n\r\n');

    const { status } = await bed.api('PATCH', `/applications/${bed.applicationId('any')}`, {
      onPremisesPublishing: { limits: { deniedNetworks: ['198.18.0.0/15'] } },
    });

    assert.equal(status, 204);
    await client.closed();
    assert.equal(statusOf(await get('any', '198.18.0.1')), 403);
    assert.notEqual(statusOf(await get('any', '198.51.100.77')), 403);
  });
});

test('an invalid limit is refused with the field, the reason and an example', async () => {
  for (const [limits, reason] of [
    [{ requestsPerMinute: -1 }, /requestsPerMinute/],
    [{ openRequests: 1.5 }, /openRequests/],
    [{ allowedNetworks: ['10.0.0.0/33'] }, /allowedNetworks.*such as 192\.0\.2\.7/],
    [{ deniedNetworks: ['example.com'] }, /deniedNetworks.*such as 192\.0\.2\.7/],
    [{ deniedNetworks: ['::]/x'] }, /deniedNetworks/],
    [{ requestsPerHour: 1 }, /requestsPerHour/],
  ] as const) {
    const { status, body } = await bed.api('PATCH', `/applications/${bed.applicationId('any')}`, {
      onPremisesPublishing: { limits },
    });

    assert.equal(status, 400, JSON.stringify(body));
    assert.match(JSON.stringify(body), reason);
  }
});
