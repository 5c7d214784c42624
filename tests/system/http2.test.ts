import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2, { type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2';
import { after, before, beforeEach, describe, test } from 'node:test';
import { type BackendConnectionLog, RawBackend } from '../testbed/raw-backend.ts';
import {
  data,
  encodeFields,
  encodeInteger,
  encodeString,
  type Field,
  flags,
  frame,
  frameTypes,
  headers,
  RawHttp2,
  reset,
  windowUpdate,
} from '../testbed/raw-http2.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const codes = http2.constants;

let backend: RawBackend;
let bed: Testbed;
const wiki = 'wiki.bed.localhost';
const open = 'open.bed.localhost';

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [
      { name: 'wiki', internalUrl: backend.url, assignedTo: ['ada', 'bob'] },
      { name: 'open', internalUrl: backend.url, passthrough: true },
      { name: 'slow', internalUrl: backend.url, passthrough: true, timeoutSeconds: 1 },
    ],
    users: ['bob'],
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(() => backend.reset());

/** An answer as a client of HTTP/2 sees it. */
interface Answer {
  readonly status: number;
  readonly fields: http2.IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: http2.IncomingHttpHeaders | null;
  /** Of RST_STREAM; NGHTTP2_NO_ERROR where the stream just ended. */
  readonly code: number;
}

async function connect(host: string): Promise<ClientHttp2Session & AsyncDisposable> {
  const socket = await bed.connect(host, ['h2']);
  assert.equal(socket.alpnProtocol, 'h2');
  const session = http2.connect(`https://${host}:${bed.port}`, { createConnection: () => socket });
  session.on('error', () => {});
  return Object.assign(session, {
    async [Symbol.asyncDispose]() {
      session.destroy();
    },
  });
}

async function raw(host: string): Promise<RawHttp2> {
  return new RawHttp2(await bed.connect(host, ['h2']));
}

function ask(session: ClientHttp2Session, fields: OutgoingHttpHeaders, body?: string): Promise<Answer> {
  const stream = session.request(fields, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  return answerOf(stream);
}

async function answerOf(stream: ClientHttp2Stream): Promise<Answer> {
  let fields: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders | null = null;
  const chunks: Buffer[] = [];
  stream.on('response', received => {
    fields = received;
  });
  stream.on('trailers', received => {
    trailers = received;
  });
  stream.on('data', (bytes: Buffer) => chunks.push(bytes));
  stream.on('error', () => {});
  if (!stream.destroyed) await new Promise(resolve => stream.once('close', resolve));
  const body = Buffer.concat(chunks).toString('latin1');
  return { status: Number(fields[':status'] ?? 0), fields, body, trailers, code: stream.rstCode ?? 0 };
}

/** A backend that says the same to whoever connects, once the head is there. */
function says(answer: string, thenEnd = false) {
  return (connection: BackendConnectionLog) => {
    void connection.until('\r\n\r\n').then(() => {
      connection.send(answer);
      if (thenEnd) connection.socket.end();
    });
  };
}

/** The first connection that a backend gets from now on, with its head. */
function nextConnection(): Promise<BackendConnectionLog> {
  return new Promise(resolve => {
    backend.onConnection = connection => void connection.until('\r\n\r\n').then(() => resolve(connection));
  });
}

function get(host: string, ...more: Field[]): Field[] {
  return [[':method', 'GET'], [':scheme', 'https'], [':authority', host], [':path', '/'], ...more];
}

describe('a request and its answer over HTTP/2', () => {
  test('a signed-in person reaches the backend; the session cookie and forged identity do not', async () => {
    await using session = await connect(wiki);
    const answer = await ask(session, {
      ':path': '/page?x=1',
      cookie: ['a=1', bed.cookie('wiki'), 'b=2'],
      'x-forwarded-user': 'mallory',
      x_forwarded_user: 'mallory',
      'x-postern-user-id': 'mallory',
      'x-forwarded-for': '6.6.6.6',
    });

    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'answer 1');
    const { received } = backend;
    assert.match(received, /^GET \/page\?x=1 HTTP\/1\.1\r\n/);
    assert.match(received, /^cookie: a=1; b=2\r$/m);
    assert.match(received, /^X-Forwarded-User: ada\r$/m);
    assert.match(received, /^X-Forwarded-For: 127\.0\.0\.1\r$/m);
    assert.match(received, new RegExp(`^Host: ${backend.authority}\r$`, 'm'));
    assert.equal(received.match(/^host:/gim)!.length, 1);
    assert.doesNotMatch(received, /mallory|6\.6\.6\.6|__Host-postern|transfer-encoding/);
  });

  test('a hundred streams at a time get a hundred answers, each its own', async () => {
    backend.onConnection = connection => {
      let seen = 0;
      connection.socket.on('data', () => {
        const targets = [...connection.received.matchAll(/^GET \/(\d+) HTTP/gm)];
        for (; seen < targets.length; seen++) {
          const body = `content ${targets[seen]![1]}`;
          connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        }
      });
    };
    await using session = await connect(open);
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => ask(session, { ':path': `/${index}` })),
    );

    assert.deepEqual(
      answers.map(answer => answer.body),
      answers.map((_, index) => `content ${index}`),
    );
  });

  test('a body with a length keeps it', async () => {
    await using session = await connect(open);
    const answer = await ask(session, { ':method': 'POST', 'content-length': 5 }, 'hello');

    assert.equal(answer.status, 200);
    assert.match(backend.received, /^content-length: 5\r$/m);
    assert.doesNotMatch(backend.received, /transfer-encoding/);
    assert.match(backend.received, /\r\n\r\nhello$/);
  });

  test('a body without a length goes on chunked, with its trailers but without forbidden ones (threat A14)', async () => {
    await using session = await connect(open);
    const stream = session.request({ ':method': 'PUT' }, { waitForTrailers: true });
    stream.on('wantTrailers', () =>
      stream.sendTrailers({ 'x-checksum': '7', 'x-forwarded-user': 'mallory', cookie: 'mallory' }),
    );
    stream.write('abc');
    stream.end('defg');
    const answer = await answerOf(stream);

    assert.equal(answer.status, 200);
    assert.match(backend.received, /^transfer-encoding: chunked\r$/m);
    const body = backend.received.slice(backend.received.indexOf('\r\n\r\n') + 4);
    assert.equal(decodeChunks(body), 'abcdefg');
    assert.match(body, /\r\n0\r\nx-checksum: 7\r\n\r\n$/);
    assert.doesNotMatch(backend.received, /mallory/);
  });

  test('100 comes from the backend, and the body waits for it; early hints pass', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(async () => {
        // A length that some servers write, and that no interim answer may have (RFC 9110 §8.6).
        connection.send('HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n');
        await connection.until('payload');
        connection.send(
          'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x\r\nConstructor: y\r\n\r\n',
        );
        connection.send('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n');
      });
    };
    await using session = await connect(open);
    const stream = session.request({ ':method': 'PUT', expect: '100-continue', 'content-length': 7 });
    const informational: http2.IncomingHttpHeaders[] = [];
    stream.on('headers', fields => informational.push(fields));
    await once(stream, 'continue');
    assert.ok(backend.received.endsWith('\r\n\r\n'));
    stream.end('payload');
    const answer = await answerOf(stream);

    assert.equal(answer.status, 201);
    assert.deepEqual(
      informational.map(fields => [
        fields[':status'],
        fields['link'],
        fields['connection'],
        fields['constructor'],
      ]),
      [
        [100, undefined, undefined, undefined],
        [103, '</a.css>', undefined, 'y'],
      ],
    );
  });

  test('HEAD, 204, 205 and 304 have no body', async () => {
    const answers: Record<string, string> = {
      '/head': 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n',
      '/none': 'HTTP/1.1 204 No Content\r\n\r\n',
      '/again': 'HTTP/1.1 205 Reset Content\r\nContent-Length: 3\r\n\r\nabc',
      '/same': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
    };
    backend.onConnection = connection => {
      let seen = 0;
      connection.socket.on('data', () => {
        const targets = [...connection.received.matchAll(/^[A-Z]+ (\S+) HTTP/gm)];
        while (seen < targets.length) connection.send(answers[targets[seen++]![1]!]!);
      });
    };
    await using session = await connect(open);
    const seen: [number, string, string | undefined][] = [];
    for (const target of Object.keys(answers)) {
      const method = target === '/head' ? 'HEAD' : 'GET';
      const answer = await ask(session, { ':method': method, ':path': target });
      seen.push([answer.status, answer.body, answer.fields['content-length']]);
    }

    assert.deepEqual(seen.slice(0, 2), [
      [200, '', '1000'],
      [204, '', undefined],
    ]);
    assert.deepEqual(seen[2]!.slice(0, 2), [205, '']);
    assert.deepEqual(seen[3], [304, '', undefined]);
  });

  test('an answer’s trailers reach a client that wants them', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => {
        connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
        setImmediate(() =>
          connection.send('0\r\nX-Checksum: 7\r\nConstructor: 8\r\nContent-Length: 9\r\n\r\n'),
        );
      });
    };
    await using session = await connect(open);
    const answer = await ask(session, { te: 'trailers' });

    assert.equal(answer.body, 'abc');
    assert.equal(answer.trailers?.['x-checksum'], '7');
    assert.equal(answer.trailers?.['constructor'], '8');
    assert.equal(answer.trailers?.['content-length'], undefined);
    assert.equal(answer.fields['transfer-encoding'], undefined);
  });

  test('an answer that ends with its connection is complete', async () => {
    backend.onConnection = says('HTTP/1.1 200 OK\r\n\r\nuntil the end', true);
    await using session = await connect(open);
    const answer = await ask(session, {});

    assert.equal(answer.body, 'until the end');
    assert.equal(answer.code, codes.NGHTTP2_NO_ERROR);
  });

  test('addresses are turned outwards, cookies stay apart, connection fields stay behind', async () => {
    backend.onConnection = says(
      `HTTP/1.1 302 Found\r\nLocation: http://${backend.authority}/next?a=b\r\nSet-Cookie: s=1; Domain=127.0.0.1; Path=/\r\n` +
        'Set-Cookie: __Host-postern=stolen; Path=/; Secure\r\nSet-Cookie: t=2, u\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n' +
        'Connection: keep-alive, x-hop\r\nUpgrade: h2c\r\nAlt-Svc: h3=":443"\r\nContent-Length: 0\r\n\r\n',
    );
    await using session = await connect(wiki);
    const answer = await ask(session, { cookie: bed.cookie('wiki') });

    const { location, 'set-cookie': cookies, ...rest } = answer.fields;
    assert.equal(location, `https://${wiki}:${bed.port}/next?a=b`);
    assert.deepEqual(cookies, ['s=1; Path=/; HttpOnly; Secure', 't=2, u; HttpOnly; Secure']);
    assert.deepEqual(Object.keys(rest), [':status', 'content-length']);
  });

  test('an event stream passes piece by piece, unbuffered, until the client has enough', async () => {
    const connection = nextConnection();
    await using session = await connect(open);
    const stream = session.request({ ':path': '/events' });
    const { send, closed } = await connection.then(one => ({
      send: (text: string) => one.send(text),
      closed: () => one.closed(),
    }));
    send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    await once(stream, 'response');
    for (let index = 1; index <= 5; index++) {
      send(`9\r\ndata: ${index}\n\n\r\n`);
      const [bytes] = await once(stream, 'data');
      assert.equal(String(bytes), `data: ${index}\n\n`);
    }
    stream.close(codes.NGHTTP2_CANCEL);

    await closed();
  });

  test('a client that goes away cancels the backend’s work', async () => {
    const waiting = nextConnection();
    const session = await connect(open);
    session.request({ ':path': '/long' }).on('error', () => {});
    const connection = await waiting;
    session.destroy();

    await connection.closed();
  });

  test('an early answer reaches a client that is still sending, whole; the rest of the body reaches nobody', async () => {
    const big = 'b'.repeat(300_000);
    backend.onConnection = says(
      `HTTP/1.1 413 Content Too Large\r\nContent-Length: ${big.length}\r\n\r\n${big}`,
    );
    await using session = await connect(open);
    const stream = session.request({ ':method': 'POST', 'content-length': 100_000 });
    stream.write('first');
    const answer = await answerOf(stream);

    assert.equal(answer.status, 413);
    assert.equal(answer.body, big);
    assert.equal(answer.code, codes.NGHTTP2_NO_ERROR);
    await backend.connections[0]!.closed();
  });

  for (const [what, answer] of [
    ['with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
  ] as const) {
    test(`an answer ${what} that is cut off is reset, never taken for the whole`, async () => {
      const waiting = nextConnection();
      const client = await raw(open);
      client.send(headers(1, get(open)));
      const connection = await waiting;
      connection.send(answer);
      await client.until(() => client.body(1) === 'half');
      connection.socket.end();
      const code = await client.ended(1);
      client.socket.destroy();

      assert.equal(code, codes.NGHTTP2_INTERNAL_ERROR);
      assert.ok(client.of(1, frameTypes.data).every(one => (one.flags & flags.endStream) === 0));
    });
  }

  test('failures are answered: garbage 502, no answer in time 504, both in JSON with their hop', async () => {
    backend.onConnection = says('nonsense\r\n\r\n');
    await using session = await connect(open);
    const bad = await ask(session, { ':method': 'POST' }, 'x');
    backend.onConnection = () => {};
    await using slow = await connect(bed.hostOf('slow'));
    const late = await ask(slow, { ':method': 'HEAD' });

    assert.equal(bad.status, 502);
    assert.equal(JSON.parse(bad.body).error.hop, 'backend');
    assert.deepEqual([late.status, late.body], [504, '']);
  });

  test('a failure on one stream leaves the others alone', async () => {
    backend.onConnection = connection => {
      connection.socket.on('data', () => {
        if (!connection.received.endsWith('\r\n\r\n')) return;
        if (/^GET \/bad /m.test(connection.received)) connection.socket.destroy();
        else connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    };
    await using session = await connect(open);
    const answers = await Promise.all(['/1', '/bad', '/2'].map(path => ask(session, { ':path': path })));

    assert.deepEqual(
      answers.map(answer => answer.status),
      [200, 502, 200],
    );
  });
});

describe('who gets in over HTTP/2', () => {
  test('a script without a session gets a JSON challenge with the place to sign in', async () => {
    await using session = await connect(wiki);
    const answer = await ask(session, { 'sec-fetch-mode': 'cors', accept: 'text/html' });

    assert.equal(answer.status, 401);
    assert.equal(JSON.parse(answer.body).error.signIn, `https://${wiki}:${bed.port}/.postern/sign-in`);
    assert.equal(backend.connections.length, 0);
  });

  test('a navigation without a session is taken to the sign-in page', async () => {
    await using session = await connect(wiki);
    const answer = await ask(session, { ':path': '/deep?x=1', 'sec-fetch-mode': 'navigate' });

    assert.ok(answer.status === 302 || answer.status === 303);
    assert.match(String(answer.fields.location), new RegExp(`^https://login\\.${bed.domain}:${bed.port}/`));
    assert.equal(backend.connections.length, 0);
  });

  test('a cookie that only the control process may know is asked about, many at a time', async () => {
    await using session = await connect(wiki);
    const unknown = (index: number) => `__Host-postern=${String(index).padStart(43, 'A')}`;
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        ask(session, { cookie: index % 2 === 0 ? unknown(index) : bed.cookie('wiki'), ':path': `/${index}` }),
      ),
    );

    assert.deepEqual(
      answers.map(answer => answer.status),
      answers.map((_, index) => (index % 2 === 0 ? 401 : 200)),
    );
    assert.equal(backend.requestLines.length, 10);
  });

  test('a name that the connection’s certificate does not carry is misdirected (threat B5)', async () => {
    await using session = await connect(open);
    const answer = await ask(session, { ':authority': 'elsewhere.example' });

    assert.equal(answer.status, 421);
    assert.equal(backend.connections.length, 0);
  });

  test('NTLM and Negotiate, which authenticate connections, are sent to HTTP/1.1', async () => {
    backend.onConnection = says(
      'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n',
    );
    await using session = await connect(open);
    const challenged = await ask(session, {});
    assert.equal(challenged.code, codes.NGHTTP2_HTTP_1_1_REQUIRED);
    await backend.connections[0]!.closed();
    const requests = backend.requestLines.length;

    const authorized = await ask(session, { authorization: 'Negotiate YII=' });

    assert.equal(authorized.code, codes.NGHTTP2_HTTP_1_1_REQUIRED);
    assert.equal(backend.requestLines.length, requests);
  });

  test('a session that is withdrawn ends its streams and no others', async () => {
    const begin = says('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin');
    backend.onConnection = begin;
    await using session = await connect(wiki);
    const ofBob = session.request({ cookie: bed.cookie('wiki', 'bob') });
    const ofAda = session.request({ cookie: bed.cookie('wiki') });
    await Promise.all([once(ofBob, 'data'), once(ofAda, 'data')]);
    const ended = answerOf(ofBob);
    await bed.api('POST', `/users/${bed.userId('bob')}/revokeSignInSessions`);

    assert.equal((await ended).code, codes.NGHTTP2_CANCEL);
    assert.equal(ofAda.closed, false);
  });
});

describe('requests that HTTP/2 must not have (RFC 9113 §8.1.1; threats A9, A12, A13)', () => {
  const post = (...more: Field[]): Field[] => [[':method', 'POST'], ...get(open).slice(1), ...more];
  const replace = (name: string, value: string): Field[] =>
    get(open).map(([one, before]) => [one, one === name ? value : before]);
  const resets: Record<string, Buffer[]> = {
    'an upper-case name': [headers(1, get(open, ['X-Upper', 'a']))],
    connection: [headers(1, get(open, ['connection', 'close']))],
    'keep-alive': [headers(1, get(open, ['keep-alive', 'timeout=5']))],
    'proxy-connection': [headers(1, get(open, ['proxy-connection', 'close']))],
    upgrade: [headers(1, get(open, ['upgrade', 'websocket']))],
    'http2-settings': [headers(1, get(open, ['http2-settings', 'AAAA']))],
    'transfer-encoding': [
      headers(1, post(['transfer-encoding', 'chunked']), false),
      data(1, '0\r\n\r\n', true),
    ],
    'another te than trailers': [headers(1, get(open, ['te', 'gzip']))],
    'te in a list': [headers(1, get(open, ['te', 'trailers, gzip']))],
    'a method with a space': [headers(1, replace(':method', 'GET /x'))],
    'a method with a line end': [headers(1, replace(':method', 'GET / HTTP/1.1\r\nx: y\r\n\r\nGET'))],
    'a path without slash': [headers(1, replace(':path', 'admin'))],
    'an absolute path': [headers(1, replace(':path', 'https://elsewhere.example/'))],
    'a path with a space': [headers(1, replace(':path', '/a HTTP/1.1'))],
    'a path with a line end': [headers(1, replace(':path', '/a HTTP/1.1\r\nx: y'))],
    'an empty path': [headers(1, replace(':path', ''))],
    'an authority with user information': [headers(1, replace(':authority', `user@${open}`))],
    'an authority with a line end': [headers(1, replace(':authority', `${open}\r\nx: y`))],
    'a scheme with more': [headers(1, replace(':scheme', 'https://elsewhere.example/?'))],
    'two paths': [headers(1, get(open, [':path', '/admin']))],
    'two authorities': [headers(1, get(open, [':authority', open]))],
    'two methods': [headers(1, get(open, [':method', 'GET']))],
    'an unknown pseudo field': [headers(1, get(open, [':protocol2', 'x']))],
    'a pseudo field after others': [headers(1, [['x', 'y'], ...get(open)])],
    ':status': [headers(1, get(open, [':status', '200']))],
    'no path': [headers(1, get(open).slice(0, 3))],
    'no scheme': [
      headers(
        1,
        get(open).filter(([name]) => name !== ':scheme'),
      ),
    ],
    'neither authority nor host': [
      headers(
        1,
        get(open).filter(([name]) => name !== ':authority'),
      ),
    ],
    'two hosts': [headers(1, get(open, ['host', open], ['host', open]))],
    'the protocol of a CONNECT in a GET': [headers(1, [[':protocol', 'websocket'], ...get(open)])],
    'a length and no content': [headers(1, post(['content-length', '5']))],
    'two lengths': [
      headers(1, post(['content-length', '5'], ['content-length', '5']), false),
      data(1, 'hello', true),
    ],
    'a length that is none': [headers(1, post(['content-length', '+5']), false), data(1, 'hello', true)],
  };

  for (const [what, frames] of Object.entries(resets)) {
    test(`${what}: the stream is reset, the backend hears nothing`, async () => {
      const client = await raw(open);
      client.send(...frames);
      const code = await client.ended(1);
      client.socket.destroy();

      assert.equal(code, codes.NGHTTP2_PROTOCOL_ERROR);
      assert.equal(backend.connections.length, 0);
    });
  }

  const refusals: Record<string, [Buffer[], number]> = {
    'a host that differs from the authority': [[headers(1, get(open, ['host', wiki]))], 400],
    'a path with #': [[headers(1, replace(':path', '/pub#/../admin'))], 400],
    'dot segments': [[headers(1, replace(':path', '/pub/%2e%2e/admin'))], 400],
    'OPTIONS *': [[headers(1, [[':method', 'OPTIONS'], ...replace(':path', '*').slice(1)])], 400],
    'an unknown scheme': [[headers(1, replace(':scheme', 'ftp'))], 400],
    CONNECT: [
      [
        headers(
          1,
          [
            [':method', 'CONNECT'],
            [':authority', `${open}:443`],
          ],
          false,
        ),
      ],
      405,
    ],
    TRACE: [[headers(1, replace(':method', 'TRACE'))], 405],
    'an unknown method': [[headers(1, replace(':method', 'get'))], 501],
    'an unknown expectation': [[headers(1, post(['expect', 'x']), false)], 417],
    'a path of 20 KB': [headersInPieces(1, replace(':path', `/${'a'.repeat(16_385)}`)), 414],
  };

  for (const [what, [frames, status]] of Object.entries(refusals)) {
    test(`${what}: ${status}, the backend hears nothing`, async () => {
      const client = await raw(open);
      client.send(...frames);
      await client.ended(1);
      client.socket.destroy();

      assert.equal(client.status(1), status);
      assert.equal(backend.connections.length, 0);
    });
  }

  test('a host that repeats the authority is one Host at the backend', async () => {
    const client = await raw(open);
    client.send(headers(1, get(open, ['host', open.toUpperCase()])));
    await client.ended(1);
    client.socket.destroy();

    assert.equal(backend.received.match(/^host:/gim)!.length, 1);
  });

  test('a host without authority is the authority', async () => {
    const client = await raw(open);
    client.send(
      headers(1, [...get(open).filter(([name]) => name !== ':authority'), ['host', open] as const]),
    );
    await client.ended(1);
    client.socket.destroy();

    assert.match(backend.received, new RegExp(`^X-Forwarded-Host: ${open}\r$`, 'm'));
  });

  for (const [what, value] of [
    ['CR LF', 'a\r\nx-postern-user-id: mallory'],
    ['LF', 'a\nx-postern-user-id: mallory'],
    ['CR', 'a\rx-postern-user-id: mallory'],
    ['NUL', 'a\0x-postern-user-id: mallory'],
    ['two line ends and a request', 'a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n'],
  ] as const) {
    test(`a value with ${what} reaches nobody`, async () => {
      const client = await raw(open);
      client.send(headers(1, get(open, ['x-value', value])));
      await client.ended(1);
      client.socket.destroy();

      assert.doesNotMatch(backend.received, /mallory|smuggled|x-value/);
      assert.ok(backend.requestLines.length <= 1);
    });
  }

  test('a name with a colon, a space or nothing in it reaches nobody', async () => {
    const client = await raw(open);
    for (const [index, name] of ['x-a: b\r\nx', 'transfer-encoding: chunked', 'x y', ''].entries()) {
      client.send(headers(2 * index + 1, get(open, [name, 'mallory'])));
      await client.ended(2 * index + 1);
    }
    client.socket.destroy();

    assert.doesNotMatch(backend.received, /mallory|chunked/);
  });

  for (const [what, length, content] of [
    ['less', 8, 'short'],
    ['more', 3, 'hello GET /smuggled HTTP/1.1'],
    ['any', 0, 'hello'],
  ] as const) {
    test(`${what} content than a length of ${length} is no request`, async () => {
      backend.onConnection = () => {};
      const client = await raw(open);
      client.send(headers(1, post(['content-length', String(length)]), false), data(1, content, true));
      assert.ok(await endedOrGone(client, 1));
      client.socket.destroy();

      // What may have begun there must not look complete.
      for (const connection of backend.connections) await connection.closed();
      assert.doesNotMatch(backend.received, /smuggled/);
      if (length > 0) assert.doesNotMatch(backend.received, new RegExp(`\r\n\r\n.{${length}}`));
    });
  }

  test('bad trailers reset the stream, and the body at the backend stays open-ended', async () => {
    for (const field of [
      ['connection', 'x'],
      [':path', '/x'],
      ['X-Upper', 'x'],
    ] as const) {
      await backend.reset();
      backend.onConnection = () => {};
      const client = await raw(open);
      client.send(headers(1, post(), false), data(1, 'abc'));
      client.send(headers(1, [field]));
      assert.equal(await client.ended(1), codes.NGHTTP2_PROTOCOL_ERROR);
      client.socket.destroy();
      for (const connection of backend.connections) await connection.closed();

      assert.doesNotMatch(backend.received, /\r\n0\r\n/);
    }
  });
});

describe('limits of heads', () => {
  test('180 cookies are one field', async () => {
    await using session = await connect(open);
    const cookies = Array.from({ length: 180 }, (_, index) => `c${index}=v`);
    const answer = await ask(session, { cookie: cookies });

    assert.equal(answer.status, 200);
    assert.match(backend.received, new RegExp(`^cookie: ${cookies.join('; ')}\r$`, 'm'));
  });

  test('the longest head that a backend may send passes', async () => {
    const lines = Array.from({ length: 64 }, (_, index) => `X-${index}: ${'a'.repeat(1_000)}\r\n`).join('');
    backend.onConnection = says(`HTTP/1.1 200 OK\r\n${lines}Content-Length: 2\r\n\r\nok`);
    const client = await raw(open);
    client.send(headers(1, get(open)));
    await client.ended(1);

    assert.equal(client.body(1), 'ok');
    assert.equal(client.of(0, frameTypes.goAway).length, 0);
    client.socket.destroy();
  });

  test('a head of more than the limit resets its stream, whichever limit it meets first', async () => {
    const cases: Field[][] = [
      get(open, ['x-big', 'a'.repeat(70_000)]),
      get(open, ...manyFields(101)),
      get(open, ...manyFields(400)),
      get(open, ...Array.from({ length: 90 }, (_, index): Field => [`x-${index}`, 'a'.repeat(1_500)])),
    ];
    for (const fields of cases) {
      const client = await raw(open);
      client.send(...headersInPieces(1, fields));
      const code = await endedOrGone(client, 1);
      client.socket.destroy();
      const isReset = code === codes.NGHTTP2_ENHANCE_YOUR_CALM || code === codes.NGHTTP2_COMPRESSION_ERROR;
      assert.ok(isReset, `code ${code}`);
    }

    assert.equal(backend.connections.length, 0);
  });
});

describe('back-pressure', () => {
  test('a stream whose backend does not read stops, and the others go on', async () => {
    const stuck = nextConnection();
    const client = await raw(open);
    client.send(headers(1, [[':method', 'POST'], ...get(open).slice(1)], false));
    (await stuck).socket.pause();
    let sent = 0;
    // The window of the stream is what may be on its way; only its credits let a client send more.
    const credit = () =>
      65_535 +
      client.of(1, frameTypes.windowUpdate).reduce((sum, one) => sum + one.payload.readUInt32BE(0), 0) +
      initialWindowOf(client);
    const piece = Buffer.alloc(16_384, 'x');
    await client.until(() => initialWindowOf(client) > 0);
    for (let quiet = 0; quiet < 20; ) {
      if (credit() - 65_535 - sent >= piece.length) {
        client.send(data(1, piece));
        sent += piece.length;
        quiet = 0;
      } else quiet += 1;
      await new Promise(resolve => setTimeout(resolve, quiet > 0 ? 25 : 0));
      assert.ok(sent < 64 * 1024 * 1024, 'the stream never stopped');
    }
    backend.onConnection = says('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother');
    client.send(headers(3, get(open)));
    await client.ended(3);

    assert.equal(client.body(3), 'other');
    client.socket.destroy();
  });

  test('an answer that nobody takes stops at the backend, and the others go on', async () => {
    const big = nextConnection();
    const client = await raw(open);
    client.send(headers(1, get(open)));
    const { socket } = await big;
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
    let written = 0;
    const piece = Buffer.alloc(65_536, 'x');
    for (let quiet = 0; quiet < 20; ) {
      if (socket.writableLength === 0) {
        socket.write(piece);
        written += piece.length;
        quiet = 0;
      } else quiet += 1;
      await new Promise(resolve => setTimeout(resolve, quiet > 0 ? 25 : 0));
      assert.ok(written < 64 * 1024 * 1024, 'the backend was never stopped');
    }
    // The window of the connection is used up too: room for one small answer.
    client.send(windowUpdate(0, 1_000));
    backend.onConnection = says('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother');
    client.send(headers(3, get(open)));
    await client.ended(3);

    assert.equal(client.body(3), 'other');
    client.socket.destroy();
    await backend.connections[0]!.closed();
  });

  test('answers that wait for their client keep nothing of the window from those that follow', async () => {
    const body = 'x'.repeat(100_000);
    backend.onConnection = connection => {
      connection.socket.on('data', () => {
        connection.received = '';
        connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      });
    };
    await using session = await connect(open);
    const lengths = await Promise.all(
      Array.from({ length: 8 }, async () => {
        let length = 0;
        for (let index = 0; index < 50; index++) length += (await ask(session, {})).body.length;
        return length;
      }),
    );

    assert.ok(lengths.every(length => length === 50 * body.length));
  });

  test('large bodies pass both ways at a time, unchanged', async () => {
    const size = 8 * 1024 * 1024;
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => {
        connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        const headEnd = connection.received.indexOf('\r\n\r\n') + 4;
        const echo = () => {
          const fresh = connection.received.slice(headEnd);
          connection.received = connection.received.slice(0, headEnd);
          connection.send(fresh);
        };
        echo();
        connection.socket.on('data', echo);
      });
    };
    await using session = await connect(open);
    const sent = Buffer.from(Array.from({ length: 4_096 }, (_, index) => index % 251));
    const bodies = await Promise.all(
      [0, 1].map(async () => {
        const stream = session.request({ ':method': 'POST', 'content-length': size });
        const answer = answerOf(stream);
        for (let at = 0; at < size; at += sent.length) {
          if (stream.closed) break;
          if (!stream.write(sent)) await Promise.race([once(stream, 'drain'), once(stream, 'close')]);
        }
        stream.end();
        const { status, body } = await answer;
        assert.equal(status, 200, body.slice(0, 1_000));
        return body;
      }),
    );

    const expected = sent.toString('latin1').repeat(size / sent.length);
    assert.ok(bodies.every(body => body === expected));
  });
});

describe('floods (threat H2)', () => {
  /** What the service may grow while it is flooded. */
  const maxGrowthBytes = 50 * 1024 * 1024;

  async function flooded(flood: (client: RawHttp2) => Promise<void>): Promise<RawHttp2> {
    const before = residentBytes();
    const client = await raw(open);
    let most = before;
    const sampler = setInterval(() => {
      most = Math.max(most, residentBytes());
    }, 20);
    await flood(client);
    clearInterval(sampler);
    most = Math.max(most, residentBytes());
    client.socket.destroy();
    assert.equal(bed.service.exitCode, null);
    assert.ok(most - before < maxGrowthBytes, `grew by ${most - before} bytes`);
    await using session = await connect(open);
    await backend.reset();
    assert.equal((await ask(session, {})).status, 200);
    return client;
  }

  /** Sends the same again and again until the service has had enough. */
  async function repeat(client: RawHttp2, next: (round: number) => Buffer, rounds: number): Promise<void> {
    for (
      let round = 0;
      round < rounds && !client.isClosed && client.of(0, frameTypes.goAway).length === 0;
      round++
    ) {
      if (!client.socket.write(next(round))) {
        await Promise.race([new Promise(resolve => client.socket.once('drain', resolve)), client.closed()]);
      } else await new Promise(resolve => setImmediate(resolve));
    }
  }

  test('rapid reset (CVE-2023-44487)', async () => {
    await flooded(async client => {
      const round = (index: number) =>
        Buffer.concat(
          Array.from({ length: 100 }, (_, at) => {
            const id = (index * 100 + at) * 2 + 1;
            return Buffer.concat([headers(id, get(open)), reset(id, codes.NGHTTP2_CANCEL)]);
          }),
        );
      await repeat(client, round, 2_000);
      assert.notEqual(await client.goneAway(), codes.NGHTTP2_NO_ERROR);
    });
  });

  test('streams that the service is made to reset (CVE-2025-8671)', async () => {
    const faults: Record<string, (id: number) => Buffer> = {
      'malformed heads': id => headers(id, get(open, ['connection', 'x'])),
      'bad trailers': id =>
        Buffer.concat([
          headers(id, [[':method', 'POST'], ...get(open).slice(1)], false),
          headers(id, [['connection', 'x']]),
        ]),
      'a window beyond its limit': id =>
        Buffer.concat([
          headers(id, [[':method', 'POST'], ...get(open).slice(1)], false),
          windowUpdate(id, 0x7fffffff),
        ]),
    };
    for (const fault of Object.values(faults)) {
      backend.onConnection = () => {};
      await flooded(async client => {
        await repeat(
          client,
          round => Buffer.concat(Array.from({ length: 50 }, (_, at) => fault((round * 50 + at) * 2 + 1))),
          4_000,
        );
        assert.notEqual(await client.goneAway(), codes.NGHTTP2_NO_ERROR);
      });
    }
  });

  for (const [what, flood] of [
    ['PING (CVE-2019-9512)', frame(frameTypes.ping, 0, 0, Buffer.alloc(8))],
    ['SETTINGS (CVE-2019-9515)', frame(frameTypes.settings, 0, 0)],
  ] as const) {
    test(`${what}`, async () => {
      await flooded(async client => {
        await repeat(client, () => Buffer.concat(Array(500).fill(flood)), 4_000);
        assert.notEqual(await client.goneAway(), codes.NGHTTP2_NO_ERROR);
      });
    });
  }

  test('CONTINUATION without end (CVE-2024-27983)', async () => {
    await flooded(async client => {
      client.send(frame(frameTypes.headers, flags.endStream, 1, encodeFields(get(open))));
      const piece = frame(frameTypes.continuation, 0, 1, encodeFields([['x', 'a'.repeat(4_000)]]));
      await repeat(client, () => Buffer.concat(Array(16).fill(piece)), 10_000);
      assert.notEqual(await client.goneAway(), codes.NGHTTP2_NO_ERROR);
    });
  });

  test('an HPACK bomb', async () => {
    await flooded(async client => {
      // One field of 4,000 bytes in the dynamic table, then named thousands of times by one byte each.
      const entry = Buffer.concat([
        encodeInteger(0, 6, 0x40),
        encodeString('x-bomb'),
        encodeString('a'.repeat(4_000)),
      ]);
      const bomb = Buffer.concat([encodeFields(get(open)), entry, Buffer.alloc(8_000, 0xbe)]);
      for (let id = 1; id < 200; id += 2) {
        client.send(frame(frameTypes.headers, flags.endHeaders | flags.endStream, id, bomb));
      }
      assert.ok(await endedOrGone(client, 1));
    });
    assert.doesNotMatch(backend.received, /x-bomb/);
  });

  test('HPACK that cannot be read, and frames that cannot be (CVE-2025-59465)', async () => {
    const faults = [
      frame(frameTypes.headers, flags.endHeaders | flags.endStream, 1, Buffer.alloc(6, 0xff)),
      frame(frameTypes.headers, flags.endHeaders, 0, encodeFields(get(open))),
      frame(frameTypes.settings, 0, 0, Buffer.alloc(5)),
      frame(frameTypes.windowUpdate, 0, 0, Buffer.alloc(4)),
      windowUpdate(0, 0x7fffffff),
      frame(frameTypes.data, 0, 1, Buffer.from('x')),
      frame(frameTypes.ping, 0, 0, Buffer.alloc(7)),
      frame(frameTypes.headers, 0, 1, encodeFields(get(open))),
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    ];
    for (const fault of faults) {
      await flooded(async client => {
        client.send(fault, fault, frame(frameTypes.ping, 0, 0, Buffer.alloc(8)));
        assert.notEqual(await client.goneAway(), codes.NGHTTP2_NO_ERROR);
        await client.closed();
      });
    }
  });

  test('a client that asks for much and reads nothing', async () => {
    const body = 'x'.repeat(1_000_000);
    backend.onConnection = says(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    await flooded(async client => {
      // No window at all: SETTINGS_INITIAL_WINDOW_SIZE 0.
      client.send(frame(frameTypes.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])));
      for (let id = 1; id < 200; id += 2) client.send(headers(id, get(open)));
      await client.until(() => client.frames.filter(one => one.type === frameTypes.headers).length >= 50);
    });
  });
});

describe('connections', () => {
  test('more streams than the limit end the connection, before anything of them is done', async () => {
    backend.onConnection = () => {};
    const client = await raw(open);
    // The limit holds once it is acknowledged.
    await client.until(() => initialWindowOf(client) > 0);
    client.send(...Array.from({ length: 101 }, (_, index) => headers(2 * index + 1, get(open))));

    assert.equal(await client.goneAway(), codes.NGHTTP2_PROTOCOL_ERROR);
    await client.closed();
    assert.ok(backend.requestLines.length <= 100);
  });

  test('a silent client, an idle one and a slow body are ended; a stop lets streams finish', async () => {
    const other = await RawBackend.start();
    await using stopping = await startTestbed({
      applications: [{ name: 'open', internalUrl: other.url, passthrough: true }],
      config: { limits: { headTimeoutMs: 1_000, clientIdleTimeoutMs: 2_000, bodyIdleTimeoutMs: 1_000 } },
    });
    const host = stopping.hostOf('open');

    // 1. Nothing at all; then a request and silence.
    const silent = await stopping.connect(host, ['h2']);
    silent.on('error', () => {});
    silent.resume();
    const idle = new RawHttp2(await stopping.connect(host, ['h2']));
    idle.send(headers(1, get(host)));
    await Promise.all([
      once(silent, 'close'),
      idle.goneAway().then(code => assert.equal(code, 0)),
      idle.closed(),
    ]);

    // 2. A body that stops in the middle.
    await other.reset();
    other.onConnection = () => {};
    const slow = new RawHttp2(await stopping.connect(host, ['h2']));
    slow.send(headers(1, [[':method', 'POST'], ...get(host).slice(1)], false), data(1, 'abc'));
    assert.equal(await slow.ended(1), codes.NGHTTP2_CANCEL);
    await other.connections[0]!.closed();
    slow.socket.destroy();

    // 3. A stop while an answer is on its way.
    await other.reset();
    const waiting = new Promise<BackendConnectionLog>(resolve => {
      other.onConnection = connection => void connection.until('\r\n\r\n').then(() => resolve(connection));
    });
    const last = new RawHttp2(await stopping.connect(host, ['h2']));
    last.send(headers(1, get(host)));
    const connection = await waiting;
    stopping.service.kill('SIGTERM');
    assert.equal(await last.goneAway(), codes.NGHTTP2_NO_ERROR);
    connection.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast');
    await last.ended(1);
    assert.equal(last.body(1), 'last');
    await last.closed();
    await other[Symbol.asyncDispose]();
  });
});

/** The error code that ended a stream, or the connection before it. */
function endedOrGone(client: RawHttp2, streamId: number): Promise<number | null> {
  return Promise.race([client.ended(streamId).catch(() => client.goneAway()), client.goneAway()]);
}

function manyFields(count: number): Field[] {
  return Array.from({ length: count }, (_, index): Field => [`x-${index}`, 'v']);
}

/** A field section over as many frames as it takes. */
function headersInPieces(streamId: number, fields: readonly Field[]): Buffer[] {
  const block = encodeFields(fields);
  const pieces: Buffer[] = [];
  for (let at = 0; at < block.length; at += 16_384) pieces.push(block.subarray(at, at + 16_384));
  return pieces.map((piece, index) => {
    const end = index === pieces.length - 1 ? flags.endHeaders : 0;
    return index === 0
      ? frame(frameTypes.headers, end | flags.endStream, streamId, piece)
      : frame(frameTypes.continuation, end, streamId, piece);
  });
}

/** SETTINGS_INITIAL_WINDOW_SIZE of the service; 0 until it came. */
function initialWindowOf(client: RawHttp2): number {
  for (const { payload } of client.of(0, frameTypes.settings)) {
    for (let at = 0; at < payload.length; at += 6) {
      if (payload.readUInt16BE(at) === 4) return payload.readUInt32BE(at + 2);
    }
  }
  return 0;
}

function residentBytes(): number {
  const status = readFileSync(`/proc/${bed.service.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1_024;
}

function decodeChunks(text: string): string {
  let rest = text;
  let body = '';
  for (;;) {
    const line = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (size === 0 || Number.isNaN(size)) return body;
    body += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 2 + size + 2);
  }
}
