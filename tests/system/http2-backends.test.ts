import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import http2, { type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { makeCertificateFiles } from '../testbed/certificate-files.ts';
import { FrameBackend } from '../testbed/frame-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import {
  data,
  type Field,
  flags,
  frame,
  frameTypes,
  headers,
  RawHttp2,
  reset,
} from '../testbed/raw-http2.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const codes = http2.constants;
const folder = mkdtempSync(path.join(tmpdir(), 'postern-http2-'));
const ok: readonly Field[] = [[':status', '200']];

/** A backend as libraries make it. */
let server: http2.Http2Server;
const sessions = new Set<http2.Http2Session>();
/** One made of frames. */
let wire: FrameBackend;
/** Two that do not speak HTTP/2. */
let old: http.Server;
let oldSecure: https.Server;
/** One that speaks either, as the client begins. */
let either: net.Server;
let bed: Testbed;
let serve: (stream: http2.ServerHttp2Stream, fields: http2.IncomingHttpHeaders) => void;

before(async () => {
  const tls = path.join(folder, 'tls');
  makeCertificateFiles(folder, tls, 'old.localhost');
  const read = (name: string) => readFileSync(path.join(folder, name), 'utf8');
  server = http2.createServer({ strictSingleValueFields: false } as http2.ServerOptions);
  server.on('session', session => sessions.add(session));
  server.on('stream', (stream, fields) => {
    stream.on('error', () => {});
    serve(stream, fields);
  });
  wire = await FrameBackend.start();
  old = http.createServer((_request, response) => response.end('HTTP/1.1'));
  const material = { key: read('tls/access.key'), cert: read('tls/access.pem') };
  oldSecure = https.createServer(material, (_request, response) => response.end('HTTP/1.1'));
  const [port, oldPort, oldSecurePort] = await Promise.all([server, old, oldSecure].map(listen));
  either = net.createServer(socket =>
    socket.once('data', first => {
      const isHttp2 = first.toString('latin1').startsWith('PRI ');
      const to = net.connect((isHttp2 ? port : oldPort)!, '127.0.0.1');
      for (const one of [socket, to]) one.on('error', () => to.destroy());
      to.write(first);
      socket.pipe(to).pipe(socket);
    }),
  );
  const eitherPort = await listen(either);
  const h2c = { backendProtocol: 'h2c' } as const;
  bed = await startTestbed({
    applications: [
      { name: 'wiki', internalUrl: `http://127.0.0.1:${port}/app/`, publishing: h2c },
      { name: 'open', internalUrl: `http://127.0.0.1:${port}/`, passthrough: true, publishing: h2c },
      { name: 'wire', internalUrl: wire.url, passthrough: true, publishing: h2c },
      { name: 'either', internalUrl: `http://127.0.0.1:${eitherPort}/`, passthrough: true },
      { name: 'old', internalUrl: `http://127.0.0.1:${oldPort}/`, passthrough: true, publishing: h2c },
      {
        name: 'oldsecure',
        internalUrl: `https://one.old.localhost:${oldSecurePort}/`,
        passthrough: true,
        publishing: { backendProtocol: 'http2', backendCertificateAuthorities: read('ca.pem') },
      },
    ],
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await wire?.[Symbol.asyncDispose]();
  for (const session of sessions) session.destroy();
  server?.close();
  old?.close();
  either?.close();
  oldSecure?.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  await wire.reset();
  serve = stream => {
    stream.respond({ ':status': 200 });
    stream.end('answer');
  };
});

async function listen(one: net.Server): Promise<number> {
  await once(one.listen(0, '127.0.0.1'), 'listening');
  return (one.address() as net.AddressInfo).port;
}

async function connect(application: string): Promise<ClientHttp2Session & AsyncDisposable> {
  const host = bed.hostOf(application);
  const socket = await bed.connect(host, ['h2']);
  const session = http2.connect(`https://${host}`, { createConnection: () => socket });
  session.on('error', () => {});
  return Object.assign(session, {
    async [Symbol.asyncDispose]() {
      session.destroy();
    },
  });
}

interface Answer {
  readonly status: number;
  readonly fields: http2.IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: http2.IncomingHttpHeaders | null;
  /** Of RST_STREAM; 0 where the stream just ended. */
  readonly code: number;
  readonly hasEnd: boolean;
}

async function ask(application: string, fields: OutgoingHttpHeaders = {}, body?: string): Promise<Answer> {
  await using session = await connect(application);
  const stream = session.request({ te: 'trailers', ...fields }, { endStream: body === undefined });
  stream.on('error', () => {});
  if (body !== undefined) stream.end(body);
  let known: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders | null = null;
  let text = '';
  let hasEnd = false;
  stream.setEncoding('utf8');
  stream.on('response', given => {
    known = given;
  });
  stream.on('trailers', given => {
    trailers = given;
  });
  stream.on('data', (more: string) => {
    text += more;
  });
  stream.on('end', () => {
    hasEnd = true;
  });
  await new Promise(resolve => stream.once('close', resolve));
  return {
    status: Number(known[':status'] ?? 0),
    fields: known,
    body: text,
    trailers,
    code: stream.rstCode ?? 0,
    hasEnd,
  };
}

function get(application: string, target = '/', fields = ''): Promise<string> {
  const host = bed.hostOf(application);
  return bed.exchange(host, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`);
}

function readAll(stream: http2.ServerHttp2Stream, then: (body: string) => void): void {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (more: string) => {
    text += more;
  });
  stream.on('end', () => then(text));
}

describe('a request to a backend over HTTP/2', () => {
  test('has the head that backends of HTTP/1.1 get, less what belongs to a connection (threats A12, A13, C2)', async () => {
    let seen: http2.IncomingHttpHeaders = {};
    serve = (stream, fields) => {
      seen = fields;
      stream.respond({ ':status': 204 }, { endStream: true });
    };
    const host = bed.hostOf('wiki');
    const answer = await bed.exchange(
      host,
      `GET /a%20b?c=d HTTP/1.1\r\nHost: ${host}:${bed.port}\r\nX-One: 1\r\nX-Secret: hop\r\nX_Remote_User: eve\r\n` +
        `Cookie: a=b; ${bed.cookie('wiki')}\r\nKeep-Alive: timeout=5\r\nTE: gzip\r\n` +
        'X-Forwarded-User: eve\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n' +
        'Connection: close, x-secret, upgrade, http2-settings\r\n\r\n',
    );
    assert.match(answer, /^HTTP\/1\.1 204 /);
    const { port } = server.address() as net.AddressInfo;
    assert.equal(seen[':authority'], `127.0.0.1:${port}`);
    assert.equal(seen[':scheme'], 'http');
    assert.equal(seen[':path'], '/app/a%20b?c=d');
    assert.equal(seen[':method'], 'GET');
    assert.equal(seen['x-one'], '1');
    assert.equal(seen['cookie'], 'a=b');
    assert.equal(seen['x-forwarded-user'], 'ada');
    assert.equal(seen['x-forwarded-for'], '127.0.0.1');
    assert.equal(seen['te'], 'trailers');
    const names = Object.keys(seen);
    for (const gone of [
      'host',
      'connection',
      'keep-alive',
      'upgrade',
      'http2-settings',
      'x-secret',
      'x_remote_user',
    ]) {
      assert.ok(!names.includes(gone), gone);
    }
  });

  test('carries a body with its length, or in pieces with trailers', async () => {
    let lengths: (string | undefined)[] = [];
    let trailers: http2.IncomingHttpHeaders = {};
    serve = (stream, fields) => {
      lengths = [...lengths, fields['content-length']];
      assert.equal(fields['transfer-encoding'], undefined);
      stream.on('trailers', given => {
        trailers = given;
      });
      readAll(stream, body => {
        stream.respond({ ':status': 200 });
        stream.end(body);
      });
    };
    const host = bed.hostOf('open');
    const head = `POST / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n`;
    assert.match(await bed.exchange(host, `${head}Content-Length: 5\r\n\r\nhello`), /hello/);
    const chunked = '5\r\nhello\r\n6\r\n there\r\n0\r\nX-Sum: 11\r\nConstructor: 12\r\n\r\n';
    assert.match(
      await bed.exchange(host, `${head}Transfer-Encoding: chunked\r\n\r\n${chunked}`),
      /hello there/,
    );
    assert.deepEqual(lengths, ['5', undefined]);
    assert.equal(trailers['x-sum'], '11');
    assert.equal(trailers['constructor'], '12');
    assert.equal((await ask('open', { ':method': 'POST' }, 'from HTTP/2')).body, 'from HTTP/2');
  });

  test('that is broken off is no whole one for the backend', async () => {
    const { promise, resolve } = Promise.withResolvers<RawHttp2>();
    wire.onRequest = connection => resolve(connection);
    const host = bed.hostOf('wire');
    const client = new RawHttp2(await bed.connect(host, ['h2']));
    const fields = [
      [':method', 'POST'],
      [':scheme', 'https'],
      [':authority', host],
      [':path', '/'],
    ] as const;
    client.send(headers(1, fields, false), data(1, 'half'));
    const connection = await promise;
    await connection.until(() => connection.body(1) === 'half');
    client.send(reset(1, codes.NGHTTP2_CANCEL));
    assert.equal(await connection.ended(1), codes.NGHTTP2_CANCEL);
    const ends = connection.of(1, frameTypes.data).filter(one => (one.flags & flags.endStream) !== 0);
    assert.deepEqual(ends, []);
    client.socket.destroy();
  });

  test('of HTTP/1.1 that is broken off, too', async () => {
    const { promise, resolve } = Promise.withResolvers<RawHttp2>();
    wire.onRequest = connection => resolve(connection);
    const host = bed.hostOf('wire');
    const client = new RawClient(await bed.connect(host));
    client.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`);
    const connection = await promise;
    await connection.until(() => connection.body(1) === 'half');
    client.destroy();
    assert.equal(await connection.ended(1), codes.NGHTTP2_CANCEL);
    assert.equal(
      connection.of(1, frameTypes.data).filter(one => (one.flags & flags.endStream) !== 0).length,
      0,
    );
  });

  test('and an answer go on at the same time', async () => {
    serve = stream => {
      stream.respond({ ':status': 200 });
      stream.on('data', (bytes: Buffer) => stream.write(`heard ${bytes}`));
      stream.on('end', () => stream.end('over'));
    };
    await using session = await connect('open');
    const stream = session.request({ ':method': 'POST' });
    stream.setEncoding('utf8');
    for (const word of ['one', 'two']) {
      stream.write(word);
      assert.deepEqual(await once(stream, 'data'), [`heard ${word}`]);
    }
    stream.end();
    assert.deepEqual(await once(stream, 'data'), ['over']);
  });

  test('for a WebSocket is refused', async () => {
    const answer = await get(
      'open',
      '/',
      'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: upgrade\r\n',
    );
    assert.match(answer, /^HTTP\/1\.1 501 /);
  });
});

describe('an answer of a backend over HTTP/2', () => {
  test('comes with its trailers to clients of both kinds', async () => {
    serve = stream => {
      stream.respond(
        { ':status': 201, 'x-one': '1', 'set-cookie': ['a=1', 'b=2'] },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '6' }));
      stream.end('answer');
    };
    const { status, fields, body, trailers } = await ask('open');
    assert.deepEqual([status, fields['x-one'], body], [201, '1', 'answer']);
    assert.deepEqual(fields['set-cookie'], ['a=1; HttpOnly; Secure', 'b=2; HttpOnly; Secure']);
    assert.equal(trailers?.['x-sum'], '6');
    const text = await get('open');
    assert.match(text, /^HTTP\/1\.1 201 /);
    assert.match(text, /\r\ntransfer-encoding: chunked\r\n/i);
    assert.match(text, /\r\n6\r\nanswer\r\n0\r\nx-sum: 6\r\n\r\n$/);
  });

  test('has its addresses turned outwards', async () => {
    const { port } = server.address() as net.AddressInfo;
    serve = stream =>
      stream.respond({ ':status': 302, location: `http://127.0.0.1:${port}/app/x` }, { endStream: true });
    const text = await get('wiki', '/', `Cookie: ${bed.cookie('wiki')}\r\n`);
    assert.match(text, new RegExp(`\r\nlocation: https://${bed.hostOf('wiki')}:${bed.port}/x\r\n`, 'i'));
    assert.match(text, /\r\n0\r\n\r\n$/);
  });

  test('without content ends where it should', async () => {
    serve = (stream, fields) => {
      const path = String(fields[':path']);
      const length = path === '/length' ? { 'content-length': '6' } : {};
      stream.respond({ ':status': path === '/304' ? 304 : 200, ...length });
      stream.end(fields[':method'] === 'HEAD' || path === '/304' ? '' : 'answer');
    };
    assert.equal((await ask('open', { ':path': '/304' })).status, 304);
    const { status, fields, body } = await ask('open', { ':method': 'HEAD', ':path': '/length' });
    assert.deepEqual([status, fields['content-length'], body], [200, '6', '']);
    assert.match(await get('open', '/304'), /^HTTP\/1\.1 304 [\s\S]*\r\n\r\n$/);
    assert.match(await get('open', '/length'), /\r\ncontent-length: 6\r\n[\s\S]*\r\n\r\nanswer$/);
  });

  test('may have interim ones before it', async () => {
    serve = stream => {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
      stream.respond({ ':status': 200 });
      stream.end('answer');
    };
    const text = await get('open');
    assert.match(text, /^HTTP\/1\.1 103 \r\nlink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 /);
  });

  test('that comes before the end of the request is the answer', async () => {
    wire.onRequest = (connection, id) => connection.send(headers(id, ok, false), data(id, 'enough', true));
    await using session = await connect('wire');
    const stream = session.request({ ':method': 'POST' });
    stream.on('error', () => {});
    stream.write('half');
    stream.setEncoding('utf8');
    assert.deepEqual(await once(stream, 'data'), ['enough']);
    assert.equal(await wire.connections[0]!.ended(1), codes.NGHTTP2_CANCEL);
  });
});

describe('an answer that breaks off is no whole one for the client', () => {
  const ends: readonly (readonly [string, (connection: RawHttp2, id: number) => void])[] = [
    ['a reset without an error', (connection, id) => connection.send(reset(id, 0))],
    ['a reset with one', (connection, id) => connection.send(reset(id, codes.NGHTTP2_INTERNAL_ERROR))],
    ['the end of the connection', connection => connection.socket.end()],
    ['its reset', connection => void connection.socket.resetAndDestroy()],
    ['GOAWAY with an error', connection => connection.send(goAway(1, codes.NGHTTP2_INTERNAL_ERROR))],
    ['a frame that is none', connection => connection.send(frame(frameTypes.data, 0, 0, Buffer.from('x')))],
  ];
  for (const [name, end] of ends) {
    test(`by ${name}`, async () => {
      wire.onRequest = (connection, id) => {
        connection.send(headers(id, ok, false), data(id, 'half'));
        // What was sent is to be with the client first.
        setImmediate(() => end(connection, id));
      };
      const { hasEnd, code } = await ask('wire');
      assert.ok(!hasEnd || code !== 0, `the stream ended with code ${code}`);
      assert.doesNotMatch(await get('wire'), /\r\n0\r\n\r\n$/);
    });
  }

  test('by less content than its length', async () => {
    wire.onRequest = (connection, id) =>
      connection.send(headers(id, [...ok, ['content-length', '10']], false), data(id, 'half', true));
    const { hasEnd, code } = await ask('wire');
    assert.ok(!hasEnd || code !== 0);
  });
});

describe('an answer that no backend may give', () => {
  const answers: readonly (readonly [string, readonly Field[]])[] = [
    ['a name in upper case', [...ok, ['X-One', '1']]],
    ['Connection', [...ok, ['connection', 'close']]],
    ['Transfer-Encoding', [...ok, ['transfer-encoding', 'chunked']]],
    ['a line end in a value', [...ok, ['x-one', 'a\r\nset-cookie: b=c']]],
    ['a line end in a name', [...ok, ['x-one\r\nset-cookie', 'b']]],
    ['NUL in a value', [...ok, ['x-one', 'a\0b']]],
    ['another pseudo-field', [...ok, [':path', '/']]],
    ['no status', [['x-one', '1']]],
    ['status 101', [[':status', '101']]],
    ['two lengths', [...ok, ['content-length', '1'], ['content-length', '2']]],
  ];
  for (const [name, fields] of answers) {
    test(`${name}: the client gets nothing of it (threats A12, A15)`, async () => {
      wire.onRequest = (connection, id) => connection.send(headers(id, fields, false), data(id, 'ab', true));
      const text = await get('wire');
      assert.match(text, /^HTTP\/1\.1 (502|200) /);
      assert.doesNotMatch(text, /set-cookie: b/i);
      if (text.startsWith('HTTP/1.1 200')) assert.doesNotMatch(text, /x-one/i);
    });
  }
});

describe('a request that a backend has surely not looked at is sent again', () => {
  test('after a stream was refused, on another session', async () => {
    wire.onRequest = (connection, id) => {
      const isFirst = connection === wire.connections[0];
      connection.send(isFirst ? reset(id, codes.NGHTTP2_REFUSED_STREAM) : headers(id, ok));
    };
    const { status } = await ask('wire', { ':method': 'POST' }, 'once');
    assert.equal(status, 200);
    assert.equal(wire.connections.length, 2);
  });

  test('after GOAWAY for an earlier stream, while that one is finished', async () => {
    const answered = Promise.withResolvers<void>();
    wire.onRequest = (connection, id) => {
      if (connection !== wire.connections[0])
        return connection.send(headers(id, ok, false), data(id, 'second', true));
      if (id === 1) return;
      connection.send(goAway(1, 0));
      void answered.promise.then(() => connection.send(headers(1, ok, false), data(1, 'first', true)));
    };
    const first = ask('wire', { ':method': 'POST' }, 'one');
    await until(() => wire.connections[0]?.of(1, frameTypes.headers).length === 1);
    assert.equal((await ask('wire', { ':method': 'POST' }, 'two')).body, 'second');
    answered.resolve();
    assert.equal((await first).body, 'first');
  });

  test('but not for ever', async () => {
    const from = bed.log.text.length;
    wire.onRequest = connection => connection.send(goAway(0, 0));
    const { status } = await ask('wire');
    assert.equal(status, 503);
    assert.ok(wire.connections.length <= 4, `${wire.connections.length} connections`);
    await bed.log.until('"code":"backend_busy"', from);
  });

  test('and one that it may have looked at is not', async () => {
    let count = 0;
    wire.onRequest = (connection, id) => {
      count += 1;
      connection.send(reset(id, codes.NGHTTP2_INTERNAL_ERROR));
    };
    assert.equal((await ask('wire', { ':method': 'POST' }, 'once')).status, 502);
    assert.equal(count, 1);
  });
});

test('a backend that takes one request at a time gets one at a time on a session', async () => {
  const most = Buffer.from([0, 3, 0, 0, 0, 1]);
  wire.settings = most;
  wire.onRequest = (connection, id) => connection.send(headers(id, ok));
  // The first session has to learn how many it may carry.
  assert.equal((await ask('wire')).status, 200);
  const held: (() => void)[] = [];
  wire.onRequest = (connection, id) => void held.push(() => connection.send(headers(id, ok)));
  const asked = [ask('wire'), ask('wire'), ask('wire')];
  await until(() => held.length === 3);
  assert.ok(wire.connections.length >= 2);
  for (const answer of held) answer();
  for (const { status } of await Promise.all(asked)) assert.equal(status, 200);
});

test('a burst at a backend of few requests a session, which nobody has talked to, is spread over several', async () => {
  wire.settings = Buffer.from([0, 3, 0, 0, 0, 2]);
  const underWay = new Map<RawHttp2, number>();
  wire.onRequest = (connection, id) => {
    const count = underWay.get(connection) ?? 0;
    if (count === 2) return connection.send(reset(id, codes.NGHTTP2_REFUSED_STREAM));
    underWay.set(connection, count + 1);
    setTimeout(() => {
      underWay.set(connection, underWay.get(connection)! - 1);
      connection.send(headers(id, ok));
    }, 200);
  };
  await using session = await connect('wire');
  const answers = Array.from({ length: 24 }, async () => {
    const [fields] = await once(session.request({ ':method': 'POST' }), 'response');
    return fields[':status'];
  });
  assert.deepEqual(
    await Promise.all(answers),
    answers.map(() => 200),
  );
});

test('a backend that refuses whatever it is asked gets no more and more connections', async () => {
  wire.onRequest = (connection, id) => connection.send(reset(id, codes.NGHTTP2_REFUSED_STREAM));
  for (let count = 0; count < 60; count++) {
    assert.equal((await ask('wire', { ':method': 'POST' }, 'x')).status, 503);
  }
  assert.ok(wire.connections.length <= 70, `${wire.connections.length} connections`);

  // As soon as it takes some again, they get there.
  wire.onRequest = (connection, id) => connection.send(headers(id, ok));
  assert.equal((await ask('wire', { ':method': 'POST' }, 'x')).status, 200);
});

test('a backend may send two megabytes ahead, so that a long way does not slow a download down', async () => {
  const { promise, resolve } = Promise.withResolvers<RawHttp2>();
  wire.onRequest = (connection, id) => {
    connection.send(headers(id, ok));
    resolve(connection);
  };
  assert.equal((await ask('wire')).status, 200);
  const connection = await promise;
  const { payload } = connection.of(0, frameTypes.settings)[0]!;
  const settings = new Map<number, number>();
  for (let at = 0; at < payload.length; at += 6)
    settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  assert.equal(settings.get(4), 2 * 1024 * 1024);
  assert.equal(settings.get(2), 0, 'no pushed answers');
  await connection.until(() => connection.of(0, frameTypes.windowUpdate).length > 0);
  const [update] = connection.of(0, frameTypes.windowUpdate);
  assert.ok(update!.payload.readUInt32BE(0) >= 8 * 1024 * 1024);
});

test('many requests share one connection to the backend', async () => {
  const held: (() => void)[] = [];
  wire.onRequest = (connection, id) => void held.push(() => connection.send(headers(id, ok)));
  const asked = Array.from({ length: 20 }, () => ask('wire'));
  await until(() => held.length === 20);
  assert.equal(wire.connections.length, 1);
  for (const answer of held) answer();
  for (const { status } of await Promise.all(asked)) assert.equal(status, 200);
});

test('the protocol is changed while requests are under way, and none of them fails', async t => {
  t.after(() => {
    isOver = true;
  });
  const counts = { 'HTTP/1.1': 0, answer: 0 };
  let isOver = false;
  const keepAsking = async () => {
    await using session = await connect('either');
    while (!isOver) {
      const stream = session.request({ ':path': '/' });
      stream.setEncoding('utf8');
      let text = '';
      for await (const more of stream) text += more;
      assert.ok(text === 'HTTP/1.1' || text === 'answer', text);
      counts[text] += 1;
    }
  };
  const asking = [keepAsking(), keepAsking(), keepAsking()];
  for (const [backendProtocol, answer] of [
    ['h2c', 'answer'],
    ['http1', 'HTTP/1.1'],
    ['h2c', 'answer'],
  ] as const) {
    const target = `/applications/${bed.applicationId('either')}`;
    const { status } = await bed.api('PATCH', target, { onPremisesPublishing: { backendProtocol } });
    assert.equal(status, 204);
    const before = counts[answer];
    await Promise.race([until(() => isOver || counts[answer] > before + 20), Promise.all(asking)]);
  }
  isOver = true;
  await Promise.all(asking);
});

describe('a backend that does not speak HTTP/2 is named for it', () => {
  test('in the clear', async () => {
    const from = bed.log.text.length;
    assert.match(await get('old'), /^HTTP\/1\.1 502 /);
    await bed.log.until('"code":"backend_not_http2"', from);
  });

  test('over TLS', async () => {
    const from = bed.log.text.length;
    assert.match(await get('oldsecure'), /^HTTP\/1\.1 502 /);
    await bed.log.until('"code":"backend_not_http2"', from);
    await bed.log.until('does not choose HTTP/2 (h2) in the TLS handshake', from);
  });
});

describe('whoever is slow holds up the other side, not memory (threats E5, H4)', () => {
  test('a client that reads nothing', async () => {
    let written = 0;
    let isClosed = false;
    serve = stream => {
      stream.respond({ ':status': 200 });
      stream.on('close', () => {
        isClosed = true;
      });
      const more = () => {
        while (!isClosed && stream.write(Buffer.alloc(64 * 1024), () => (written += 64 * 1024)));
      };
      stream.on('drain', more);
      more();
    };
    const host = bed.hostOf('open');
    const client = new RawClient(await bed.connect(host));
    client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    await client.until('200');
    client.socket.pause();
    await standstill(() => written);
    assert.ok(written < 16 * 1024 * 1024, `${written} bytes`);
    // Others on the same session are not held up.
    serve = stream => {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(4 * 1024 * 1024, 'x'));
    };
    assert.equal((await ask('open')).body.length, 4 * 1024 * 1024);
    client.destroy();
    await until(() => isClosed);
  });

  test('a backend that reads nothing', async () => {
    serve = stream => stream.pause();
    await using session = await connect('open');
    const stream = session.request({ ':method': 'POST' });
    stream.on('error', () => {});
    let written = 0;
    const more = () => {
      while (!stream.destroyed && stream.write(Buffer.alloc(64 * 1024), () => (written += 64 * 1024)));
    };
    stream.on('drain', more);
    more();
    await standstill(() => written);
    assert.ok(written < 16 * 1024 * 1024, `${written} bytes`);
    stream.close(codes.NGHTTP2_CANCEL);
  });
});

function goAway(lastStreamId: number, code: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(lastStreamId, 0);
  payload.writeUInt32BE(code, 4);
  return frame(frameTypes.goAway, 0, 0, payload);
}

async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise(resolve => setTimeout(resolve, 10));
}

// Standing still can only be told by watching for a while.
async function standstill(progress: () => number): Promise<void> {
  for (let last = -1; last !== progress() || last === 0; ) {
    last = progress();
    await new Promise(resolve => setTimeout(resolve, 500));
  }
}
