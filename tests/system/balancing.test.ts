import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Forwarder } from '../testbed/forwarder.ts';
import { type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { end, startTestbed, type Testbed } from '../testbed/testbed.ts';

/** From the answer of the admin API on, a change is in effect after so much at the latest. */
const boundMs = 2_000;
const bodyBytes = 20_000;

let backend: RawBackend;
let bed: Testbed;
/** Between each connector and the service. */
const links: Forwarder[] = [];
const clients: RawClient[] = [];
/** Connections whose request is answered when the test says so. */
const held: BackendConnectionLog[] = [];

before(async () => {
  backend = await RawBackend.start();
  backend.onConnection = serve;
  bed = await startTestbed({
    applications: [{ name: 'open', internalUrl: backend.url, passthrough: true }],
    connectors: 2,
    config: { limits: { waitForConnectorMs: 500 } },
    tunnelPort: async publicPort => {
      const link = await Forwarder.start(publicPort);
      links.push(link);
      return link.port;
    },
  });
});

after(async () => {
  for (const client of clients) client.destroy();
  await bed?.[Symbol.asyncDispose]();
  for (const link of links) await link[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});

/** Answers every request but those for `/slow`. Bodies are whole lines, so that the next request begins one. */
function serve(connection: BackendConnectionLog): void {
  let seen = 0;
  connection.socket.on('data', () => {
    const lines = connection.received.split('\r\n').filter(line => / HTTP\/1\.1$/.test(line));
    const isWhole = /\r\n\r\n(x*\r\n|body\r\n)?$/.test(connection.received);
    if (lines.length === seen || !isWhole) return;
    seen = lines.length;
    if (lines.at(-1)!.includes(' /slow/')) held.push(connection);
    else connection.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfast');
  });
}

async function connectClient(): Promise<RawClient> {
  const client = new RawClient(await bed.connect(bed.hostOf('open')));
  clients.push(client);
  return client;
}

function request(line: string, body = ''): string {
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`;
  return `${line} HTTP/1.1\r\nHost: ${bed.hostOf('open')}\r\n${length}\r\n${body}`;
}

/** A request that is seen on the link that it takes. */
const large = (to: string) => request(`POST ${to}`, `${'x'.repeat(bodyBytes - 2)}\r\n`);

/** Sends large requests, and gives how many of them each link has carried. */
async function countOf(requests: number): Promise<number[]> {
  const from = links.map(link => link.carriedBytes);
  const client = await connectClient();
  for (let at = 0; at < requests; at++) {
    assert.match(await client.ask(large(`/${at}`)), /^HTTP\/1\.1 200 /);
  }
  return links.map((link, at) => Math.floor((link.carriedBytes - from[at]!) / bodyBytes));
}

const profile = '/onPremisesPublishingProfiles/applicationProxy';

async function ask(method: string, resource: string, change?: object): Promise<void> {
  const { status, body } = await bed.api(method, `${profile}/connectors/${resource}`, change);
  assert.equal(status, 204, JSON.stringify(body));
}

test('a connector that cannot reach a backend is passed over for it', { timeout: 120_000 }, async () => {
  const [ailing] = bed.connectors;
  const settings = path.join(ailing!.dataDir, 'Config', 'connector.json');
  writeFileSync(settings, JSON.stringify({ allow: ['192.0.2.0/24'] }));
  await ailing!.restart();
  const startedAt = performance.now();

  for (let at = 0; at < 40; at++) {
    assert.match(await (await connectClient()).ask(request(`GET /${at}`)), /^HTTP\/1\.1 200 /);
  }

  // At first, and again after 2, 4, 8 and more seconds; by chance it would be every other of the forty.
  const seconds = (performance.now() - startedAt) / 1000;
  const tries = ailing!.log.text.split('"dial_refused"').length - 1;
  assert.ok(tries >= 1 && tries <= 1 + Math.log2(1 + seconds), `${tries} tries in ${seconds} s`);
  writeFileSync(settings, '{}');
  await ailing!.restart();
});

describe('a drained connector', { timeout: 120_000 }, () => {
  test('finishes what it has and gets nothing new, not even after its restart, until it is resumed', async () => {
    const [first, second] = bed.connectors;
    const waiting = [];
    for (let at = 0; at < 8; at++) {
      waiting.push((await connectClient()).ask(request(`GET /slow/${at}`)));
      while (held.length <= at) await new Promise(setImmediate);
    }

    await ask('POST', `${first!.id}/drain`);
    await new Promise(resolve => setTimeout(resolve, boundMs));
    for (const connection of held) connection.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow');
    for (const answer of await Promise.all(waiting)) assert.match(answer, /^HTTP\/1\.1 200 .*slow$/s);
    assert.deepEqual(await countOf(20), [0, 20]);
    await first!.restart();
    assert.deepEqual(await countOf(20), [0, 20]);

    await ask('POST', `${second!.id}/drain`);
    await new Promise(resolve => setTimeout(resolve, boundMs));
    const refused = await (await connectClient()).ask(request('GET /nobody'));
    assert.match(refused, /^HTTP\/1\.1 50[34] .*no_connector/s);

    const asking = (await connectClient()).ask(request('GET /again'));
    await ask('POST', `${first!.id}/resume`);
    assert.match(await asking, /^HTTP\/1\.1 /);
    await new Promise(resolve => setTimeout(resolve, boundMs));
    assert.deepEqual(await countOf(5), [5, 0]);
    await ask('POST', `${second!.id}/resume`);
  });
});

describe('connectors of the region of their group', { timeout: 120_000 }, () => {
  const settle = () => new Promise(resolve => setTimeout(resolve, boundMs));

  async function setGroupRegion(region: string | null): Promise<void> {
    const groups = await bed.api('GET', `${profile}/connectorGroups`);
    const [{ id }] = (groups.body as { value: [{ id: string }] }).value;
    const { status } = await bed.api('PATCH', `${profile}/connectorGroups/${id}`, { region });
    assert.equal(status, 204);
  }

  test('carry all requests, the others only while none of those is there, and each change is live', async () => {
    const [north, south] = bed.connectors;
    await ask('PATCH', north!.id, { region: 'north' });
    await ask('PATCH', south!.id, { region: 'South' });
    const { body } = await bed.api('GET', `${profile}/connectors/${south!.id}`);
    assert.equal((body as { region: string }).region, 'South');

    await setGroupRegion('north');
    await settle();
    assert.deepEqual(await countOf(20), [20, 0]);
    await setGroupRegion('south');
    await settle();
    assert.deepEqual(await countOf(20), [0, 20]);

    await end(south!.process);
    assert.deepEqual(await countOf(20), [20, 0]);
    await south!.restart();
    await settle();
    assert.deepEqual(await countOf(20), [0, 20]);

    await ask('PATCH', south!.id, { region: null });
    await settle();
    const both = await countOf(100);
    assert.ok(
      both.every(count => count > 10),
      `${both}`,
    );
    await setGroupRegion(null);
    await ask('PATCH', north!.id, { region: null });
    await settle();
  });
});

test('sessions stay with one connector where the application asks for it', { timeout: 120_000 }, async () => {
  const { status } = await bed.api('PATCH', `/applications/${bed.applicationId('open')}`, {
    onPremisesPublishing: { isSessionAffinityEnabled: true },
  });
  assert.equal(status, 204);
  await new Promise(resolve => setTimeout(resolve, boundMs));

  const counts = await countOf(20);

  // One address, so one connector; without the setting each link carries about half.
  assert.deepEqual([...counts].sort(), [0, 20]);
});

/** Requests of eight clients, together some hundred a second, half of which may not be sent twice. */
test('a connector that is killed takes with it only what it was sent', { timeout: 120_000 }, async () => {
  const answers: { startedAt: number; answer: string; line: string }[] = [];
  let isOver = false;
  const run = async (index: number) => {
    let client = await connectClient();
    for (let n = 0; !isOver; n++) {
      const line = `${n % 2 === 0 ? 'GET' : 'POST'} /${index}/${n}`;
      const startedAt = performance.now();
      const answer = await client.ask(request(line, n % 2 === 0 ? '' : 'body\r\n'));
      answers.push({ startedAt, answer, line });
      if (client.isClosed) client = await connectClient();
    }
  };
  const { status } = await bed.api('PATCH', `/applications/${bed.applicationId('open')}`, {
    onPremisesPublishing: { isSessionAffinityEnabled: false },
  });
  assert.equal(status, 204);
  const running = Array.from({ length: 8 }, (_, index) => run(index));
  while (answers.length < 400) await new Promise(setImmediate);

  const from = bed.log.text.length;
  const killedAt = performance.now();
  bed.connectors[0]!.process.kill('SIGKILL');
  await bed.log.until('"tunnel down"', from);
  const noticedMs = performance.now() - killedAt;
  const answeredBefore = answers.length;
  while (answers.length < answeredBefore + 400) await new Promise(setImmediate);
  isOver = true;
  await Promise.all(running);

  const failures = answers.filter(({ answer }) => !answer.startsWith('HTTP/1.1 200 '));
  // What had been sent: at most one request of each client, and none that could be sent again.
  assert.ok(failures.length <= running.length, `${failures.length} failures`);
  for (const { startedAt, answer, line } of failures) {
    assert.match(line, /^POST/);
    assert.match(answer, /tunnel_lost|backend_closed/);
    assert.ok(startedAt <= killedAt + noticedMs, `${line} came ${startedAt - killedAt} ms after the kill`);
  }
  for (const { line } of answers.filter(one => one.line.startsWith('POST'))) {
    assert.ok(backend.requestLines.filter(seen => seen.startsWith(`${line} `)).length <= 1, line);
  }
});
