import assert from 'node:assert/strict';
import { type ClientHttp2Session, constants, type OutgoingHttpHeaders } from 'node:http2';
import { after, before, beforeEach, describe, test } from 'node:test';
import { acceptHandshake, connectHttp2, Http2WebSocket } from '../testbed/http2-websocket.ts';
import { type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import { data, type Field, headers, RawHttp2 } from '../testbed/raw-http2.ts';
import { end, startTestbed, type Testbed } from '../testbed/testbed.ts';

/** So soon after an access is withdrawn nothing of it is left. */
const revocationMs = 3_000;
const acceptAny = (connection: BackendConnectionLog) =>
  void connection.until('\r\n\r\n').then(() => acceptHandshake(connection));

let backend: RawBackend;
let bed: Testbed;
const sessions: ClientHttp2Session[] = [];

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [
      { name: 'wiki', internalUrl: backend.url, assignedTo: ['ada', 'bob', 'cid'] },
      { name: 'open', internalUrl: backend.url, passthrough: true },
      {
        name: 'few',
        internalUrl: backend.url,
        passthrough: true,
        publishing: { limits: { openUpgrades: 1 } },
      },
      { name: 'quick', internalUrl: backend.url, passthrough: true, timeoutSeconds: 1 },
    ],
    users: ['bob', 'cid'],
    config: { log: { accessLog: true }, drainMs: 60_000 },
  });
});

after(async () => {
  for (const session of sessions) session.destroy();
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  await backend.reset();
  backend.onConnection = acceptAny;
});

async function connect(name: string): Promise<ClientHttp2Session> {
  const session = await connectHttp2(bed, bed.hostOf(name));
  sessions.push(session);
  return session;
}

async function open(name: string, fields: OutgoingHttpHeaders = {}): Promise<Http2WebSocket> {
  return new Http2WebSocket(await connect(name), fields);
}

/** A WebSocket that the backend has accepted, and the backend's end of it. */
async function opened(
  name = 'open',
  fields: OutgoingHttpHeaders = {},
): Promise<{ client: Http2WebSocket; inside: BackendConnectionLog }> {
  const client = await open(name, fields);
  assert.equal(await client.status(), 200);
  return { client, inside: backend.connections.at(-1)! };
}

/** The fields of an extended CONNECT, for clients that are made of frames. */
function connectFields(...more: Field[]): Field[] {
  return [
    [':method', 'CONNECT'],
    [':protocol', 'websocket'],
    [':scheme', 'https'],
    [':authority', bed.hostOf('open')],
    [':path', '/ws'],
    ...more,
  ];
}

describe('a WebSocket over HTTP/2 (RFC 8441)', () => {
  test('is offered with the first SETTINGS', async () => {
    const client = new RawHttp2(await bed.connect(bed.hostOf('open'), ['h2']));
    await client.until(() => client.frames.length > 0);
    client.socket.destroy();

    const { payload } = client.frames[0]!;
    const settings = new Map<number, number>();
    for (let at = 0; at < payload.length; at += 6) {
      settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    assert.equal(settings.get(8), 1);
  });

  test('reaches the backend as a handshake of HTTP/1.1 with identity and a key of ours, beside other streams', async () => {
    backend.onConnection = connection =>
      void connection.until('\r\n\r\n').then(() => {
        if (connection.received.startsWith('GET /page')) {
          connection.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage');
        } else acceptHandshake(connection, 'Sec-WebSocket-Protocol: chat\r\nX-From: backend\r\n');
      });
    const session = await connect('wiki');
    const client = new Http2WebSocket(session, {
      ':path': '/ws?room=1',
      cookie: ['a=1', bed.cookie('wiki')],
      origin: `https://${bed.hostOf('wiki')}:${bed.port}`,
      'sec-websocket-protocol': 'chat, talk',
      'sec-websocket-extensions': 'permessage-deflate',
      'sec-websocket-key': 'bWFsbG9yeSdzIG93biBrZXk=',
      'x-forwarded-user': 'mallory',
    });
    assert.equal(await client.status(), 200);
    const inside = backend.connections[0]!;
    client.stream.write('to the backend');
    await inside.until('to the backend');
    inside.send('\x81\x02hi');
    await client.until('\x81\x02hi');
    const page = session.request({ ':path': '/page', cookie: bed.cookie('wiki') });
    let body = '';
    for await (const piece of page.setEncoding('utf8')) body += piece;
    client.stream.write('once more');
    await inside.until('once more');

    assert.equal(body, 'page');
    assert.match(inside.received, /^GET \/ws\?room=1 HTTP\/1\.1\r\n/);
    const head = inside.received.slice(0, inside.received.indexOf('\r\n\r\n') + 2);
    assert.match(head, /^upgrade: websocket\r$/im);
    assert.equal(head.match(/^connection: upgrade\r$/gim)?.length, 1);
    assert.equal(head.match(/^sec-websocket-key: [A-Za-z0-9+/]{22}==\r$/gim)?.length, 1);
    assert.match(head, /^sec-websocket-version: 13\r$/im);
    assert.match(head, /^sec-websocket-protocol: chat, talk\r$/im);
    assert.match(head, /^X-Forwarded-User: ada\r$/m);
    assert.match(head, /^cookie: a=1\r$/im);
    assert.doesNotMatch(head, /mallory|bWFsbG9yeSdzIG93biBrZXk|:protocol|transfer-encoding|content-length/);
    assert.equal(client.fields['sec-websocket-protocol'], 'chat');
    assert.equal(client.fields['x-from'], 'backend');
    for (const name of ['sec-websocket-accept', 'connection', 'upgrade']) {
      assert.equal(client.fields[name], undefined, name);
    }
  });

  test('gets a line of the access log when it has ended, as one of HTTP/1.1 does', async () => {
    const from = bed.log.text.length;
    const { client, inside } = await opened('wiki', { cookie: bed.cookie('wiki') });
    inside.send('four');
    await client.until('four');
    client.stream.close(constants.NGHTTP2_CANCEL);
    await inside.closed();
    await bed.log.until('"status":101', from);

    const line = bed.log.text
      .slice(from)
      .split('\n')
      .find(one => one.includes('"status":101'))!;
    const { method, userId, applicationId, bytesToClient } = JSON.parse(line);
    assert.deepEqual(
      { method, userId, applicationId, bytesToClient },
      {
        method: 'GET',
        userId: bed.userId('ada'),
        applicationId: bed.applicationId('wiki'),
        bytesToClient: 4,
      },
    );
  });

  test('passes nothing on before the backend has accepted, and everything afterwards (threat A7)', async () => {
    let accept = () => {};
    backend.onConnection = connection =>
      void connection.until('\r\n\r\n').then(() => {
        accept = () => acceptHandshake(connection);
      });
    const client = await open('open');
    client.stream.write('too early');
    const session = sessions.at(-1)!;
    // What was sent has arrived when a ping that was sent after it is answered.
    await new Promise(resolve => session.ping(resolve));
    while (backend.connections.length === 0) await new Promise(resolve => setImmediate(resolve));
    await backend.connections[0]!.until('\r\n\r\n');
    await new Promise(resolve => session.ping(resolve));
    assert.doesNotMatch(backend.received, /early/);
    accept();
    await backend.connections[0]!.until('too early');
    assert.equal(await client.status(), 200);
  });
});

describe('who gets in', () => {
  const refusals: readonly [string, string, () => OutgoingHttpHeaders, number, RegExp][] = [
    ['without a session', 'wiki', () => ({}), 401, /sign_in_required/],
    [
      'of another site’s page, with the person’s cookie (threat E1)',
      'wiki',
      () => ({ cookie: bed.cookie('wiki'), origin: 'https://evil.example' }),
      403,
      /foreign_origin/,
    ],
    ['at nobody’s address', 'wiki', () => ({ ':authority': `none.${bed.domain}` }), 404, /not_found/],
    ['of an address that is not one', 'open', () => ({ ':path': '/a/%2e%2e/b' }), 400, /bad_request/],
  ];
  for (const [what, name, fields, status, body] of refusals) {
    test(`a WebSocket ${what} gets ${status}, the backend hears nothing`, async () => {
      const client = await open(name, fields());
      assert.equal(await client.status(), status);
      await client.closed();

      assert.match(client.text, body);
      assert.equal(client.code, constants.NGHTTP2_NO_ERROR);
      assert.equal(backend.connections.length, 0);
    });
  }

  test('the limit of open upgrades counts those over HTTP/2, too', async () => {
    const { client, inside } = await opened('few');
    const second = await open('few');
    assert.equal(await second.status(), 429);
    await second.closed();
    assert.match(second.text, /application_busy/);
    client.stream.close(constants.NGHTTP2_CANCEL);
    await inside.closed();

    await opened('few');
  });

  const set = (name: string, value: string): Field[] =>
    connectFields().map(([one, before]): Field => [one, one === name ? value : before]);
  const refused: readonly [string, () => Field[]][] = [
    ['plain CONNECT', () => connectFields().filter(([name]) => name === ':method' || name === ':authority')],
    ['another :protocol', () => set(':protocol', 'connect-udp')],
    ['a :protocol in other letters', () => set(':protocol', 'WebSocket')],
  ];
  for (const [what, fields] of refused) {
    test(`${what} gets 405, the backend hears nothing`, async () => {
      const client = new RawHttp2(await bed.connect(bed.hostOf('open'), ['h2']));
      client.send(headers(1, fields(), false));
      await client.ended(1);
      client.socket.destroy();

      assert.equal(client.status(1), 405);
      assert.equal(backend.connections.length, 0);
    });
  }

  const malformed: readonly [string, () => Field[]][] = [
    ['an empty :protocol', () => set(':protocol', '')],
    ['two :protocol', () => [[':protocol', 'websocket'], ...connectFields()]],
    ['the :protocol of a GET', () => set(':method', 'GET')],
    ['no path', () => connectFields().slice(0, 4)],
    ['content with a length', () => connectFields(['content-length', '5'])],
    ['the fields of HTTP/1.1', () => connectFields(['connection', 'upgrade'], ['upgrade', 'websocket'])],
    ['a protocol with a line end', () => set(':protocol', 'websocket\r\nx: y')],
  ];
  for (const [what, fields] of malformed) {
    test(`${what}: the stream is reset, the backend hears nothing`, async () => {
      const client = new RawHttp2(await bed.connect(bed.hostOf('open'), ['h2']));
      client.send(headers(1, fields(), false));
      const code = await client.ended(1);
      client.socket.destroy();

      assert.equal(code, constants.NGHTTP2_PROTOCOL_ERROR);
      assert.equal(backend.connections.length, 0);
    });
  }
});

describe('a backend that does not upgrade', () => {
  const answers: readonly [string, string, number, RegExp][] = [
    ['403', 'HTTP/1.1 403 Forbidden\r\nX-Why: no\r\nContent-Length: 4\r\n\r\nmine', 403, /^mine$/],
    ['302', 'HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n', 302, /^$/],
    [
      '426',
      'HTTP/1.1 426 Upgrade Required\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n',
      426,
      /^no$/,
    ],
    // To a client of HTTP/2 it would be an open WebSocket.
    ['200', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage', 502, /bad_response/],
    [
      '101 to another key',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nmine',
      502,
      /bad_response/,
    ],
    [
      '101 without a word about the key',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nmine',
      502,
      /bad_response/,
    ],
  ];
  for (const [what, answer, status, body] of answers) {
    test(`${what}: the client gets ${status}`, async () => {
      backend.onConnection = connection =>
        void connection.until('\r\n\r\n').then(() => connection.send(answer));
      const client = await open('open');
      assert.equal(await client.status(), status);
      await client.closed();

      assert.match(client.text, body);
      assert.equal(client.code, constants.NGHTTP2_NO_ERROR);
    });
  }

  test('101 to another protocol is none', async () => {
    backend.onConnection = connection =>
      void connection.until('\r\n\r\n').then(() => {
        const key = /^sec-websocket-key: *(\S+)/im.exec(connection.received)![1]!;
        assert.ok(key.length > 0);
        connection.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
      });
    const client = await open('open');

    assert.equal(await client.status(), 502);
  });

  test('nor answers at all: 504 after the application’s timeout', async () => {
    backend.onConnection = () => {};
    const client = await open('quick');

    assert.equal(await client.status(), 504);
    await backend.connections[0]!.closed();
  });
});

describe('the end of a WebSocket over HTTP/2', () => {
  test('of the client’s side alone leaves the backend’s open', async () => {
    const { client, inside } = await opened();
    const ended = new Promise(resolve => inside.socket.once('end', resolve));
    inside.socket.allowHalfOpen = true;
    client.stream.end('last words');
    await inside.until('last words');
    await ended;
    inside.send('and an answer');
    await client.until('and an answer');
    inside.socket.end();
    await client.closed();

    assert.equal(client.code, constants.NGHTTP2_NO_ERROR);
    assert.equal(client.isEnded, true);
  });

  test('of the backend’s side is an end, and not a reset', async () => {
    const { client, inside } = await opened();
    inside.socket.end('goodbye');
    await client.ended();
    assert.equal(client.text, 'goodbye');
    assert.equal(client.isClosed, false);
    client.stream.end();
    await client.closed();

    assert.equal(client.code, constants.NGHTTP2_NO_ERROR);
  });

  test('by RST_STREAM of the client cuts the backend’s connection, and no other stream', async () => {
    const session = await connect('open');
    const first = new Http2WebSocket(session, {});
    const second = new Http2WebSocket(session, {});
    assert.deepEqual([await first.status(), await second.status()], [200, 200]);
    const [one, other] = backend.connections;
    first.stream.close(constants.NGHTTP2_CANCEL);
    await Promise.race([one!.closed(), other!.closed()]);
    const rest = one!.isClosed ? other! : one!;
    second.stream.write('still here');
    await rest.until('still here');

    assert.equal([one!.isClosed, other!.isClosed].filter(Boolean).length, 1);
  });

  test('by a lost connection of the client cuts the backend’s', async () => {
    const { inside } = await opened();
    sessions.at(-1)!.socket?.destroy();
    await inside.closed();
  });

  test('by a reset of the backend resets the stream', async () => {
    const { client, inside } = await opened();
    inside.socket.resetAndDestroy();
    await client.closed();

    assert.equal(client.code, constants.NGHTTP2_INTERNAL_ERROR);
  });

  test('before the backend has answered cuts the backend’s connection', async () => {
    backend.onConnection = () => {};
    const client = await open('open');
    while (backend.connections.length === 0) await new Promise(resolve => setImmediate(resolve));
    await backend.connections[0]!.until('\r\n\r\n');
    client.stream.close(constants.NGHTTP2_CANCEL);
    await backend.connections[0]!.closed();
  });

  test('fields in place of frames reset the stream (RFC 9113 §8.5)', async () => {
    const client = new RawHttp2(await bed.connect(bed.hostOf('open'), ['h2']));
    client.send(headers(1, connectFields(), false));
    await client.until(() => client.status(1) === 200);
    client.send(data(1, 'frame'), headers(1, [['x', '1']]));
    assert.equal(await client.ended(1), constants.NGHTTP2_PROTOCOL_ERROR);
    client.socket.destroy();
    await backend.connections[0]!.closed();
  });
});

describe('what is withdrawn', () => {
  /** Switches off the account of somebody whose WebSocket has got so much, and waits for its end. */
  async function withdrawn(user: string, sent: string): Promise<Http2WebSocket> {
    const { client, inside } = await opened('wiki', { cookie: bed.cookie('wiki', user) });
    inside.send(sent);
    await client.until(sent);
    const startedAt = performance.now();
    const { status } = await bed.api('PATCH', `/users/${bed.userId(user)}`, { accountEnabled: false });
    assert.equal(status, 204);
    await client.ended();
    await inside.closed();
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs <= revocationMs, `ended after ${Math.round(tookMs)} ms`);
    return client;
  }

  test('ends a WebSocket between two frames with 1008', async () => {
    const client = await withdrawn('bob', '\x81\x05hello');

    assert.match(client.text, /^\x81\x05hello\x88[\x02-\x7d]\x03\xf0/);
    client.stream.end();
    await client.closed();
    assert.equal(client.code, constants.NGHTTP2_NO_ERROR);
  });

  test('ends one in the middle of a frame by a reset', async () => {
    const client = await withdrawn('cid', '\x81\x7d half of it');

    await client.closed();
    assert.doesNotMatch(client.text, /\x88/);
    assert.equal(client.code, constants.NGHTTP2_CANCEL);
  });
});

describe('back-pressure', () => {
  const size = 24 * 1024 * 1024;
  const piece = Buffer.alloc(64 * 1024, 'x');

  test('a client that does not read stops its backend, and loses nothing', async () => {
    const { client, inside } = await opened();
    client.stream.pause();
    let written = 0;
    const pump = () => {
      while (written < size) {
        written += piece.length;
        if (!inside.socket.write(piece)) return;
      }
    };
    inside.socket.on('drain', pump);
    pump();
    // Written bytes stop at what windows and sockets on the way hold.
    for (let before = -1; before !== written; ) {
      before = written;
      await new Promise(resolve => setTimeout(resolve, 1_000));
    }
    assert.ok(written < size, `${written} bytes were taken`);
    let received = 0;
    client.stream.removeAllListeners('data');
    await new Promise<void>(resolve => {
      client.stream.on('data', (bytes: Buffer) => {
        received += bytes.length;
        if (received >= size) resolve();
      });
      client.stream.resume();
    });

    assert.equal(received, size);
  });

  test('a backend that does not read stops its client, and loses nothing', async () => {
    const { client, inside } = await opened();
    inside.socket.removeAllListeners('data');
    inside.socket.pause();
    let written = 0;
    const pump = () => {
      while (written < size) {
        written += piece.length;
        if (!client.stream.write(piece)) return;
      }
    };
    client.stream.on('drain', pump);
    pump();
    for (let before = -1; before !== written; ) {
      before = written;
      await new Promise(resolve => setTimeout(resolve, 1_000));
    }
    assert.ok(written < size, `${written} bytes were taken`);
    let received = 0;
    await new Promise<void>(resolve => {
      inside.socket.on('data', (text: unknown) => {
        received += String(text).length;
        if (received >= size) resolve();
      });
      inside.socket.resume();
    });

    assert.equal(received, size);
  });
});

test('a service that stops says GOAWAY and lets an open WebSocket go on to its end', async () => {
  const { client, inside } = await opened();
  const session = sessions.at(-1)!;
  const goneAway = new Promise<number>(resolve => session.once('goaway', resolve));
  const ended = end(bed.service);
  assert.equal(await goneAway, constants.NGHTTP2_NO_ERROR);
  client.stream.write('still here');
  await inside.until('still here');
  inside.send('and here');
  await client.until('and here');
  client.stream.end();
  inside.socket.end();
  await client.closed();
  assert.equal(client.code, constants.NGHTTP2_NO_ERROR);
  await ended;
});
