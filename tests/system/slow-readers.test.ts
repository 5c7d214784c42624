import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { flags, frame, frameTypes, headers, RawHttp2 } from '../testbed/raw-http2.ts';
import { upgradeAccepted, upgradeFields } from '../testbed/raw-websocket.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const clientStallTimeoutMs = 3_000;

let backend: RawBackend;
let bed: Testbed;
const open = 'open.bed.localhost';
/** What is turned towards it grows by much. */
const longName = 'n'.repeat(60);
const long = `${longName}.bed.localhost`;

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [
      { name: 'open', internalUrl: backend.url, passthrough: true },
      { name: longName, internalUrl: backend.url, passthrough: true },
    ],
    config: { limits: { clientStallTimeoutMs, maxHeaderFields: 20, maxHeadBytes: 8_192 } },
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(() => backend.reset());

/** Sends without end, as fast as it is taken. */
function flood(connection: BackendConnectionLog, head: string): void {
  const piece = Buffer.alloc(64 * 1024, 0x61);
  void connection.until('\r\n\r\n').then(() => {
    connection.send(head);
    const more = () => {
      while (!connection.isClosed && connection.socket.write(piece));
    };
    connection.socket.on('drain', more);
    more();
  });
}

/** A request for the page, as a browser over HTTP/2 makes it. */
function requestFields() {
  return [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':authority', open],
    [':path', '/'],
  ] as const;
}

describe('a client that reads nothing is cut off, and its backend with it (threat H1)', () => {
  test('in an answer, whatever it sends meanwhile', async () => {
    backend.onConnection = connection => flood(connection, 'HTTP/1.1 200 OK\r\n\r\n');
    const client = new RawClient(await bed.connect(open));
    client.send(`GET / HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    await client.until('aaaa');
    client.socket.pause();
    const timer = setInterval(() => client.send('GET'), 250);

    await backend.connections[0]!.closed();

    clearInterval(timer);
    client.destroy();
  });

  test('in a WebSocket', async () => {
    backend.onConnection = connection => flood(connection, upgradeAccepted);
    const client = new RawClient(await bed.connect(open));
    client.send(`GET / HTTP/1.1\r\nHost: ${open}\r\n${upgradeFields}\r\n`);
    await client.until('aaaa');
    client.socket.pause();

    await backend.connections[0]!.closed();

    client.destroy();
  });

  test('in a stream of HTTP/2 whose window is not opened again, while the connection goes on', async () => {
    backend.onConnection = connection => flood(connection, 'HTTP/1.1 200 OK\r\n\r\n');
    const client = new RawHttp2(await bed.connect(open, ['h2']));
    client.send(headers(1, requestFields()));
    await client.until(() => client.of(1, frameTypes.data).length > 0);

    assert.equal(await client.ended(1), 8);
    await backend.connections[0]!.closed();
    assert.equal(client.isClosed, false);
    client.socket.destroy();
  });

  test('in HTTP/2, where it does not even say that it is there; one that does may be silent', async () => {
    backend.onConnection = () => {};
    const [gone, there] = [
      new RawHttp2(await bed.connect(open, ['h2'])),
      new RawHttp2(await bed.connect(open, ['h2'])),
    ];
    const ask = async (client: RawHttp2) => {
      client.send(headers(1, requestFields()));
      const before = backend.connections.length;
      while (backend.connections.length === before) await new Promise(resolve => setTimeout(resolve, 10));
    };
    await ask(gone);
    await ask(there);
    const pingsOf = (client: RawHttp2) => client.of(0, frameTypes.ping);
    const answering = (async () => {
      for (let count = 0; count < 2; count++) {
        await there.until(() => pingsOf(there).length > count);
        there.send(frame(frameTypes.ping, flags.ack, 0, pingsOf(there)[count]!.payload));
      }
    })();

    await gone.closed();

    assert.equal(pingsOf(gone).length, 1);
    await backend.connections[0]!.closed();
    await answering;
    backend.connections[1]!.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await there.ended(1);
    assert.equal(there.body(1), 'ok');
    there.socket.destroy();
  });

  test('but not who reads slowly', async () => {
    backend.onConnection = connection => flood(connection, 'HTTP/1.1 200 OK\r\n\r\n');
    const socket = await bed.connect(open);
    let isEnded = false;
    let taken = 0;
    socket.on('close', () => {
      isEnded = true;
    });
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      taken += bytes.length;
      if (taken > 1_000_000) socket.pause();
    });
    socket.write(`GET / HTTP/1.1\r\nHost: ${open}\r\n\r\n`);

    // Twice as long as whoever reads nothing may stay. The system opens a full window only by larger steps.
    for (const startedAt = performance.now(); performance.now() < startedAt + 2 * clientStallTimeoutMs; ) {
      await new Promise(resolve => setTimeout(resolve, 200));
      taken = 0;
      socket.resume();
    }

    assert.equal(isEnded, false);
    assert.equal(backend.connections[0]!.isClosed, false);
    socket.destroy();
  });
});

describe('limits on heads are those of the configuration', () => {
  const many = Array.from({ length: 30 }, (_, index) => [`x-${index}`, '1'] as const);
  const large = [['x-large', 'a'.repeat(9_000)] as const];
  const few = Array.from({ length: 15 }, (_, index) => [`x-${index}`, 'a'.repeat(300)] as const);

  for (const [name, extra] of [
    ['too many fields', many],
    ['too many bytes', large],
  ] as const) {
    test(`${name}: 431 over HTTP/1.1, and the connection is closed`, async () => {
      const lines = extra.map(([field, value]) => `${field}: ${value}\r\n`).join('');

      const answer = await bed.exchange(open, `GET / HTTP/1.1\r\nHost: ${open}\r\n${lines}\r\n`);

      assert.match(answer, /^HTTP\/1\.1 431 /);
      assert.match(answer, /"code":"head_too_large"/);
      assert.equal(backend.connections.length, 0);
    });

    test(`${name}: the stream is reset over HTTP/2, and others go on`, async () => {
      const client = new RawHttp2(await bed.connect(open, ['h2']));

      client.send(headers(1, [...requestFields(), ...extra]), headers(3, [...requestFields(), ...few]));

      assert.equal(await client.ended(1), 11);
      assert.equal(await client.ended(3), null);
      assert.equal(backend.requestLines.length, 1);
      client.socket.destroy();
    });
  }

  const links = (count: number) => Array<string>(count).fill(`<${backend.url}>`).join(', ');

  test('an answer whose head outgrows them by its links is refused alone over HTTP/2, and others go on', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => {
        const field = connection.received.startsWith('GET /grows') ? `Link: ${links(250)}\r\n` : '';
        connection.send(`HTTP/1.1 200 OK\r\n${field}Content-Length: 2\r\nConnection: close\r\n\r\nok`);
      });
    };
    const client = new RawHttp2(await bed.connect(long, ['h2']));
    const get = (path: string) =>
      [...requestFields().slice(0, 2), [':authority', long], [':path', path]] as const;
    client.send(headers(1, get('/grows')), headers(3, get('/')));
    await client.ended(1);
    await client.ended(3);
    client.send(headers(5, get('/')));
    await client.ended(5);

    assert.deepEqual(
      [1, 3, 5].map(id => client.status(id)),
      [502, 200, 200],
    );
    client.socket.destroy();
  });

  test('an interim answer that outgrows them is left out, and the answer comes', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => {
        connection.send(`HTTP/1.1 103 Early Hints\r\nLink: ${links(250)}\r\n\r\n`);
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
      });
    };
    const client = new RawHttp2(await bed.connect(long, ['h2']));
    client.send(headers(1, [...requestFields().slice(0, 2), [':authority', long], [':path', '/']]));
    await client.ended(1);

    assert.equal(client.status(1), 200);
    assert.equal(client.body(1), 'ok');
    client.socket.destroy();
  });
});
