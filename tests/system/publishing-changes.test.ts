import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeAccepted, upgradeFields } from '../testbed/raw-websocket.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

/** From the answer of the admin API on, a change is in effect at node and connector after so much at the latest. */
const boundMs = 2_000;
const drainMs = 5_000;
const clients = 8;

let first: RawBackend;
let second: RawBackend;
let bed: Testbed;
const idle: RawClient[] = [];

before(async () => {
  first = await RawBackend.start();
  second = await RawBackend.start();
  first.onConnection = connection => answer(connection, 'first');
  second.onConnection = connection => answer(connection, 'second');
  bed = await startTestbed({
    applications: [
      { name: 'shop', internalUrl: first.url },
      { name: 'gone', internalUrl: first.url },
    ],
    config: { drainMs },
    connectors: 2,
  });
});

after(async () => {
  for (const client of idle) client.destroy();
  await bed?.[Symbol.asyncDispose]();
  await first?.[Symbol.asyncDispose]();
  await second?.[Symbol.asyncDispose]();
});

/** Answers requests with the backend's name, begins a download for `/download`, upgrades who asks for it. */
function answer(connection: BackendConnectionLog, name: string): void {
  let from = 0;
  connection.socket.on('data', () => {
    for (;;) {
      const end = connection.received.indexOf('\r\n\r\n', from);
      if (end < 0) return;
      const head = connection.received.slice(from, end);
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
      if (connection.received.length < end + 4 + length) return;
      from = end + 4 + length;
      if (/^upgrade:/im.test(head)) connection.send(`${upgradeAccepted}\x81\x05hello`);
      else if (head.startsWith('GET /download')) {
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf of it');
      } else connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`);
    }
  });
}

async function patch(application: string, body: object): Promise<void> {
  const done = await bed.api('PATCH', `/applications/${bed.applicationId(application)}`, body);
  assert.equal(done.status, 204, JSON.stringify(done.body));
}

function requestOf(application: string, line: string, fields = ''): string {
  const cookie = `Cookie: ${bed.cookie(application)}\r\n`;
  return `${line} HTTP/1.1\r\nHost: ${bed.hostOf(application)}\r\n${cookie}${fields}\r\n`;
}

test('no request is lost while a live application is changed again and again', async () => {
  const answers: { askedAt: number; at: number; backend: string }[] = [];
  const failures: string[] = [];
  let isOver = false;
  let onAnswer = () => {};
  const run = async (index: number) => {
    const client = new RawClient(await bed.connect(bed.hostOf('shop')));
    idle.push(client);
    for (let n = 0; !isOver; n++) {
      const askedAt = performance.now();
      // Half of them may not be sent twice.
      const got = await client.ask(
        n % 2 === 0
          ? requestOf('shop', `GET /${index}/${n}`)
          : requestOf('shop', `POST /${index}/${n}`, 'Content-Length: 0\r\n'),
      );
      if (!/^HTTP\/1\.1 200 /.test(got)) failures.push(got);
      answers.push({ askedAt, at: performance.now(), backend: got.slice(got.indexOf('\r\n\r\n') + 4) });
      onAnswer();
    }
  };
  const running = Array.from({ length: clients }, (_, index) => run(index));
  const changes: { at: number; backend: string }[] = [];
  for (let turn = 0; turn < 10; turn++) {
    const [name, backend] = turn % 2 === 0 ? (['second', second] as const) : (['first', first] as const);
    await patch('shop', { onPremisesPublishing: { internalUrl: backend.url } });
    const change = { at: performance.now(), backend: name };
    changes.push(change);
    await patch('shop', { displayName: `The ${name}` });
    await patch('shop', { onPremisesPublishing: { applicationServerTimeout: 60 + changes.length } });
    await new Promise<void>(resolve => {
      onAnswer = () => {
        if (answers.at(-1)!.backend === name) resolve();
      };
    });
  }
  await patch('shop', {
    onPremisesPublishing: { internalUrl: first.url, isTranslateHostHeaderEnabled: false },
  });
  isOver = true;
  await Promise.all(running);

  assert.deepEqual(failures, []);
  for (const { at, backend } of changes) {
    const late = answers.find(one => one.askedAt > at + boundMs && one.backend !== backend);
    const next = changes.find(change => change.at > at)?.at ?? Number.POSITIVE_INFINITY;
    assert.ok(late === undefined || late.at > next, `${backend} was not in effect after ${boundMs} ms`);
  }
  assert.ok(answers.length > 200, `only ${answers.length} requests`);
});

describe('an application that is removed', () => {
  test('serves nobody new; a request under way is finished, a WebSocket ends', async () => {
    const [download, endless, socket] = await Promise.all(
      [0, 1, 2].map(async () => new RawClient(await bed.connect(bed.hostOf('gone')))),
    );
    idle.push(download!, endless!, socket!);
    download!.send(requestOf('gone', 'GET /download/1'));
    await download!.until('half of it');
    endless!.send(requestOf('gone', 'GET /download/2'));
    await endless!.until('half of it');
    socket!.send(requestOf('gone', 'GET /socket', upgradeFields));
    await socket!.until('\x81\x05hello');

    const removed = await bed.api('DELETE', `/applications/${bed.applicationId('gone')}`);
    assert.equal(removed.status, 204);

    // FIN, opcode close, the length, then the code: 1008.
    assert.match(await socket!.closed(), /\x88[\x02-\x7d]\x03\xf0/);
    const refused = await new RawClient(await bed.connect(bed.hostOf('gone'))).ask(
      requestOf('gone', 'GET /'),
    );
    assert.match(refused, /^HTTP\/1\.1 404 /);
    const carrier = first.connections.find(one => one.received.includes('GET /download/1'))!;
    carrier.send('and the rest');
    await download!.until('and the re');
    const received = await endless!.closed();
    assert.match(received, /half of it$/, 'what does not come to an end is ended');
  });
});
