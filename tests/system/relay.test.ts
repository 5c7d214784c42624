import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import {
  answerEveryRequest,
  type BackendConnectionLog,
  endSocket,
  RawBackend,
} from '../testbed/raw-backend.ts';
import { RawClient } from '../testbed/raw-client.ts';
import { upgradeAccepted, upgradeFields } from '../testbed/raw-websocket.ts';
import { hold, readAll, startTestbed, type Testbed } from '../testbed/testbed.ts';

let backend: RawBackend;
let bed: Testbed;
let wiki: string;
let open: string;

before(async () => {
  backend = await RawBackend.start();
  bed = await startTestbed({
    applications: [
      { name: 'wiki', internalUrl: backend.url },
      { name: 'open', internalUrl: backend.url, passthrough: true },
      { name: 'slow', internalUrl: backend.url, passthrough: true, timeoutSeconds: 1 },
    ],
    users: ['bob'],
  });
  wiki = bed.hostOf('wiki');
  open = bed.hostOf('open');
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

beforeEach(() => backend.reset());

/** Waits until a text has come on a client's socket. */
function reader(socket: TLSSocket): { until(text: string): Promise<string>; readonly text: string } {
  let text = '';
  const waiters: (() => void)[] = [];
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    for (const wake of waiters.splice(0)) wake();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    for (const wake of waiters.splice(0)) wake();
  });
  return {
    get text() {
      return text;
    },
    async until(wanted) {
      while (!text.includes(wanted)) {
        assert.ok(!socket.destroyed, `closed before "${wanted}": ${text}`);
        await new Promise<void>(resolve => waiters.push(resolve));
      }
      return text;
    },
  };
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

describe('a request and its answer', () => {
  test('a signed-in person reaches the backend; the session cookie and forged identity do not', async () => {
    const answer = await bed.exchange(
      wiki,
      `GET /page?x=1 HTTP/1.1\r\nHost: ${wiki}\r\nCookie: a=1; ${bed.cookie('wiki')}; b=2\r\n` +
        'X-Forwarded-User: mallory\r\nX_Forwarded_User: mallory\r\nx-postern-user-id: mallory\r\n' +
        'Connection: close, X-Forwarded-User, X-Forwarded-For\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n',
    );

    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    const received = backend.received;
    assert.match(received, /^GET \/page\?x=1 HTTP\/1\.1\r\n/);
    assert.match(received, /^Cookie: a=1; b=2\r$/m);
    assert.match(received, /^X-Forwarded-User: ada\r$/m);
    assert.match(received, /^X-Forwarded-For: 127\.0\.0\.1\r$/m);
    assert.match(received, new RegExp(`^Host: ${backend.authority}\r$`, 'm'));
    assert.match(received, /^X-Request-Id: \S+\r$/m);
    assert.doesNotMatch(received, /mallory|6\.6\.6\.6|__Host-postern/);
    assert.equal(backend.requestLines.length, 1);
  });

  test('several requests on one connection reuse one backend connection', async () => {
    const socket = await bed.connect(open);
    const client = reader(socket);
    for (let index = 1; index <= 3; index++) {
      socket.write(`GET /${index} HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
      await client.until(`answer ${index}`);
    }
    socket.destroy();

    assert.equal(backend.connections.length, 1);
    assert.deepEqual(backend.requestLines, ['GET /1 HTTP/1.1', 'GET /2 HTTP/1.1', 'GET /3 HTTP/1.1']);
  });

  test('pipelined requests are answered in order, one in flight', async () => {
    backend.onConnection = connection => {
      let answered = 0;
      connection.socket.on('data', () => {
        const targets = [...connection.received.matchAll(/^GET (\S+) HTTP/gm)].map(match => match[1]!);
        for (; answered < targets.length; answered++) {
          const body = `this is ${targets[answered]}`;
          connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        }
      });
    };
    const socket = await bed.connect(open);
    const client = reader(socket);
    socket.write([1, 2, 3, 4].map(index => `GET /${index} HTTP/1.1\r\nHost: ${open}\r\n\r\n`).join(''));
    const text = await client.until('this is /4');
    socket.destroy();

    assert.deepEqual(text.match(/this is \/\d/g), ['this is /1', 'this is /2', 'this is /3', 'this is /4']);
  });

  test('a body with a length arrives whole, byte by byte as well', async () => {
    const socket = await bed.connect(open);
    const client = reader(socket);
    for (const char of `POST /form HTTP/1.1\r\nHost: ${open}\r\nContent-Length: 5\r\n\r\nhello`)
      socket.write(char);
    await client.until('answer 1');
    socket.destroy();

    assert.match(backend.received, /\r\n\r\nhello$/);
  });

  test('a chunked body goes on chunked, with its trailers but without forbidden ones (threat A14)', async () => {
    const answer = await bed.exchange(
      open,
      `POST /form HTTP/1.1\r\nHost: ${open}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n` +
        '3;note=x\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Checksum: 7\r\nX-Forwarded-User: mallory\r\nContent-Length: 3\r\n\r\n',
    );

    assert.match(answer, /answer 1$/);
    const body = backend.received.slice(backend.received.indexOf('\r\n\r\n') + 4);
    assert.equal(decodeChunks(body), 'abcdefg');
    assert.match(body, /0\r\nX-Checksum: 7\r\n\r\n$/);
    assert.doesNotMatch(backend.received, /mallory|note=/);
  });

  test('100 comes from the backend, and the body waits for it', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(async () => {
        assert.match(connection.received, /Expect: 100-continue/);
        assert.ok(connection.received.endsWith('\r\n\r\n'));
        connection.send('HTTP/1.1 100 Continue\r\n\r\n');
        await connection.until('payload');
        connection.send('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n');
      });
    };
    const socket = await bed.connect(open);
    const client = reader(socket);
    socket.write(`PUT /x HTTP/1.1\r\nHost: ${open}\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n`);
    await client.until('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write('payload');
    await client.until('HTTP/1.1 201 Created');
    socket.destroy();
  });

  test('early hints pass, HEAD, 204 and 304 have no body', async () => {
    const answers: Record<string, string> = {
      '/hints':
        'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      '/head': 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n',
      '/none': 'HTTP/1.1 204 No Content\r\n\r\n',
      '/same': 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
    };
    backend.onConnection = connection => {
      let seen = 0;
      connection.socket.on('data', () => {
        const targets = [...connection.received.matchAll(/^[A-Z]+ (\S+) HTTP/gm)];
        while (seen < targets.length) connection.send(answers[targets[seen++]![1]!]!);
      });
    };
    const socket = await bed.connect(open);
    const client = reader(socket);
    socket.write(`GET /hints HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    await client.until('\r\n\r\nok');
    socket.write(`HEAD /head HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    await client.until('Content-Length: 1000\r\n\r\n');
    socket.write(`GET /none HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    await client.until('204 No Content\r\n\r\n');
    socket.write(`GET /same HTTP/1.1\r\nHost: ${open}\r\nConnection: close\r\n\r\n`);
    await once(socket, 'close');

    assert.match(client.text, /103 Early Hints\r\nLink: <\/a\.css>\r\n\r\nHTTP\/1\.1 200/);
    assert.match(client.text, /HTTP\/1\.1 304 Not Modified\r\nETag: "x"\r\nConnection: close\r\n\r\n$/);
    assert.equal(backend.connections.length, 1);
  });

  test('an answer that ends with its connection is chunked for the client and complete', async () => {
    backend.onConnection = says('HTTP/1.1 200 OK\r\n\r\nuntil the end', true);
    const socket = await bed.connect(open);
    const client = reader(socket);
    socket.write(`GET / HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    const text = await client.until('0\r\n\r\n');
    socket.destroy();

    assert.match(text, /Transfer-Encoding: chunked/);
    assert.equal(decodeChunks(text.slice(text.indexOf('\r\n\r\n') + 4)), 'until the end');
  });

  test('to an HTTP/1.0 client the same answer ends with the connection', async () => {
    backend.onConnection = says('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n');
    const answer = await bed.exchange(open, `GET / HTTP/1.0\r\nHost: ${open}\r\n\r\n`);

    assert.match(answer, /\r\n\r\nabc$/);
    assert.doesNotMatch(answer, /chunked/i);
    assert.match(backend.received, /^GET \/ HTTP\/1\.1\r\n/);
  });

  test('an event stream passes piece by piece, unbuffered', async () => {
    backend.onConnection = says(
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const socket = await bed.connect(open);
    const client = reader(socket);
    socket.write(`GET /events HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    await client.until('\r\n\r\n');
    for (let index = 1; index <= 5; index++) {
      backend.connections[0]!.send(`9\r\ndata: ${index}\n\n\r\n`);
      await client.until(`data: ${index}\n\n`);
    }
    socket.destroy();
    await backend.connections[0]!.closed();
  });

  test('a client that goes away cancels the backend’s work', async () => {
    backend.onConnection = () => {};
    const socket = await bed.connect(open);
    socket.write(`GET /long HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    while (backend.connections.length === 0) await new Promise(resolve => setImmediate(resolve));
    await backend.connections[0]!.until('\r\n\r\n');
    socket.destroy();

    await backend.connections[0]!.closed();
  });

  test('an early answer reaches a client that is still sending; the rest of the body reaches nobody', async () => {
    backend.onConnection = says('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig');
    const socket = await bed.connect(open);
    const client = reader(socket);
    socket.write(`POST /up HTTP/1.1\r\nHost: ${open}\r\nContent-Length: 100000\r\n\r\nfirst`);
    await client.until('big');
    socket.write(
      `${'x'.repeat(100_000 - 5)}GET /smuggled HTTP/1.1\r\nHost: ${open}\r\nConnection: close\r\n\r\n`,
    );
    await once(socket, 'close');

    await backend.connections[0]!.closed();
    assert.doesNotMatch(backend.connections[0]!.received, /smuggled/);
    assert.equal(backend.requestLines.filter(line => line.includes('smuggled')).length, 1);
  });

  test('a body that breaks the rules after its answer has begun ends the connection: nothing is put into the answer', async () => {
    backend.onConnection = says('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it');
    const socket = await bed.connect(open);
    const client = reader(socket);
    socket.write(`POST / HTTP/1.1\r\nHost: ${open}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`);
    await client.until('half of it');
    socket.write('no chunk\r\n');
    await once(socket, 'close');

    assert.match(client.text, /\r\n\r\nhalf of it$/);
  });

  test('an answer’s Location and cookies are turned outwards, our own cookie name is not the backend’s to set', async () => {
    backend.onConnection = says(
      `HTTP/1.1 302 Found\r\nLocation: http://${backend.authority}/next?a=b\r\nSet-Cookie: s=1; Domain=127.0.0.1; Path=/\r\n` +
        'Set-Cookie: __Host-postern=stolen; Path=/; Secure\r\nSet-Cookie: t=2; Domain=.bed.localhost\r\nContent-Length: 0\r\n\r\n',
    );
    const answer = await bed.exchange(
      wiki,
      `GET / HTTP/1.1\r\nHost: ${wiki}\r\nCookie: ${bed.cookie('wiki')}\r\nConnection: close\r\n\r\n`,
    );

    assert.match(answer, new RegExp(`Location: https://${wiki}:${bed.port}/next\\?a=b\r\n`));
    assert.match(answer, /Set-Cookie: s=1; Path=\/; HttpOnly; Secure\r\n/);
    assert.match(answer, /Set-Cookie: t=2; HttpOnly; Secure\r\n/);
    assert.doesNotMatch(answer, /stolen/);
  });
});

describe('authentication of connections (RFC 4559, threat A16)', () => {
  test('after a Negotiate challenge the backend connection serves this client alone', async () => {
    backend.onConnection = connection => {
      let answered = 0;
      connection.socket.on('data', () => {
        const requests = connection.received.split('\r\n\r\n').slice(0, -1);
        for (; answered < requests.length; answered++) {
          const isAuthenticated = /^Authorization: Negotiate/m.test(requests[answered]!);
          connection.send(
            isAuthenticated || answered > 1
              ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin'
              : 'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 3\r\n\r\nout',
          );
        }
      });
    };
    const first = await bed.connect(open);
    const one = reader(first);
    first.write(`GET /a HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    await one.until('out');
    first.write(`GET /a HTTP/1.1\r\nHost: ${open}\r\nAuthorization: Negotiate YII=\r\n\r\n`);
    await one.until('\r\n\r\nin');
    const second = await bed.exchange(open, `GET /b HTTP/1.1\r\nHost: ${open}\r\nConnection: close\r\n\r\n`);
    first.write(`GET /c HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    while (!backend.received.includes('GET /c')) await new Promise(resolve => setImmediate(resolve));
    first.destroy();
    await backend.connections[0]!.closed();

    assert.match(second, /^HTTP\/1\.1 401 /);
    assert.match(backend.connections[0]!.received, /GET \/a[\s\S]*GET \/a[\s\S]*GET \/c/);
    assert.doesNotMatch(backend.connections[0]!.received, /GET \/b/);
  });
});

describe('WebSocket', () => {
  const handshake = (host: string, extra = '') =>
    `GET /ws HTTP/1.1\r\nHost: ${host}\r\n${upgradeFields}${extra}\r\n`;

  test('bytes pass both ways after 101', async () => {
    backend.onConnection = says(upgradeAccepted);
    const socket = await bed.connect(wiki);
    const client = reader(socket);
    socket.write(handshake(wiki, `Cookie: ${bed.cookie('wiki')}\r\nOrigin: https://${wiki}:${bed.port}\r\n`));
    await client.until('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n');
    socket.write('to the backend');
    await backend.connections[0]!.until('to the backend');
    backend.connections[0]!.send('\x81\x02hi');
    await client.until('\x81\x02hi');
    socket.destroy();
    await backend.connections[0]!.closed();

    assert.match(client.text, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(client.text, /^Upgrade: websocket\r$/im);
    assert.match(client.text, /^Connection: upgrade\r$/im);
  });

  test('bytes sent before the backend has agreed do not pass, and are the next request when it refuses (threat A7)', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => {
        assert.doesNotMatch(connection.received, /second/);
        connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno');
      });
    };
    const socket = await bed.connect(open);
    const client = reader(socket);
    socket.write(
      `${handshake(open)}GET /.postern/second HTTP/1.1\r\nHost: ${open}\r\nConnection: close\r\n\r\n`,
    );
    await once(socket, 'close');

    assert.match(client.text, /\r\n\r\nnoHTTP\/1\.1 404/);
    assert.equal(backend.requestLines.length, 1);
  });

  test('another site’s page cannot open one with the person’s cookie (threat E1)', async () => {
    const answer = await bed.exchange(
      wiki,
      handshake(wiki, `Cookie: ${bed.cookie('wiki')}\r\nOrigin: https://evil.example\r\n`).replace(
        'Upgrade\r\n',
        'Upgrade, close\r\n',
      ),
    );

    assert.match(answer, /^HTTP\/1\.1 403 /);
    assert.equal(backend.connections.length, 0);
  });

  test('without a session it is 401, never a redirect', async () => {
    const answer = await bed.exchange(wiki, handshake(wiki).replace('Upgrade\r\n', 'Upgrade, close\r\n'));

    assert.match(answer, /^HTTP\/1\.1 401 /);
    assert.equal(backend.connections.length, 0);
  });
});

describe('who gets in', () => {
  test('a script without a session gets a JSON challenge with the place to sign in', async () => {
    const answer = await bed.exchange(
      wiki,
      `GET /api HTTP/1.1\r\nHost: ${wiki}\r\nSec-Fetch-Mode: cors\r\nAccept: text/html\r\nConnection: close\r\n\r\n`,
    );

    assert.match(answer, /^HTTP\/1\.1 401 /);
    const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));
    assert.equal(body.error.code, 'sign_in_required');
    assert.equal(body.error.signIn, `https://${wiki}:${bed.port}/.postern/sign-in`);
    assert.equal(backend.connections.length, 0);
  });

  test('a CORS preflight is not sent to sign in', async () => {
    const answer = await bed.exchange(
      wiki,
      `OPTIONS /api HTTP/1.1\r\nHost: ${wiki}\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\nAccept: */*\r\nConnection: close\r\n\r\n`,
    );

    assert.match(answer, /^HTTP\/1\.1 401 /);
    assert.doesNotMatch(answer, /^location:/im);
  });

  test('a navigation without a session is taken to the sign-in page and back to where it was going', async () => {
    const answer = await bed.exchange(
      wiki,
      `GET /page?a=b HTTP/1.1\r\nHost: ${wiki}:${bed.port}\r\nAccept: text/html\r\nConnection: close\r\n\r\n`,
    );

    assert.match(answer, /^HTTP\/1\.1 303 /);
    assert.match(answer, new RegExp(`^location: https://login\\.${bed.domain}:${bed.port}/`, 'im'));
    assert.equal(backend.connections.length, 0);
  });

  test('a form without a session leads to the sign-in page and back to where it was filled in, and reaches nobody', async () => {
    const send = (referer: string) =>
      bed.exchange(
        wiki,
        `POST /save HTTP/1.1\r\nHost: ${wiki}:${bed.port}\r\nSec-Fetch-Mode: navigate\r\nReferer: ${referer}\r\n` +
          'Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 3\r\nConnection: close\r\n\r\na=b',
      );

    const own = await send(`https://${wiki}:${bed.port}/edit?page=1`);
    const foreign = await send('https://elsewhere.example/edit');

    assert.match(own, /^HTTP\/1\.1 303 /);
    assert.match(own, /^location: \/\.postern\/sign-in\?return=%2Fedit%3Fpage%3D1\r$/m);
    assert.match(foreign, /^location: \/\.postern\/sign-in\?return=%2F\r$/m);
    assert.equal(backend.connections.length, 0);
  });

  test('a page for a signed-in person is asked for again each time, unless its backend says how long it may be kept', async () => {
    const get = (fields: string) => {
      backend.onConnection = says(
        `HTTP/1.1 200 OK\r\n${fields}Connection: close\r\nContent-Length: 0\r\n\r\n`,
        true,
      );
      return (mode: string) =>
        bed.exchange(
          wiki,
          `GET / HTTP/1.1\r\nHost: ${wiki}\r\nCookie: ${bed.cookie('wiki')}\r\nSec-Fetch-Mode: ${mode}\r\nConnection: close\r\n\r\n`,
        );
    };
    const cacheControl = /^cache-control: .*$/gim;

    const page = await get('Last-Modified: Wed, 19 Oct 2022 08:00:00 GMT\r\n')('navigate');
    const picture = await get('Last-Modified: Wed, 19 Oct 2022 08:00:00 GMT\r\n')('no-cors');
    const limited = await get('Cache-Control: max-age=60\r\n')('navigate');
    const dated = await get('Expires: Wed, 19 Oct 2033 08:00:00 GMT\r\n')('navigate');

    assert.deepEqual(page.match(cacheControl), ['cache-control: private, no-cache']);
    assert.equal(picture.match(cacheControl), null);
    assert.deepEqual(limited.match(cacheControl), ['Cache-Control: max-age=60']);
    assert.equal(dated.match(cacheControl), null);
  });

  for (const [name, cookie] of [
    ['a forged cookie', () => `__Host-postern=${'A'.repeat(43)}`],
    ['a truncated cookie', () => bed.cookie('wiki').slice(0, -1)],
    ['a sibling host’s cookie', () => bed.cookie('open')],
    ['two cookies of the name (threat D2)', () => `${bed.cookie('wiki')}; __Host-postern=${'A'.repeat(43)}`],
    ['the right cookie twice', () => `${bed.cookie('wiki')}; ${bed.cookie('wiki')}`],
    ['a look-alike name', () => bed.cookie('wiki').replace('postern', 'postern2')],
    ['a quoted cookie', () => bed.cookie('wiki').replace('=', '="')],
  ] as const) {
    test(`${name} proves nothing`, async () => {
      const answer = await bed.exchange(
        wiki,
        `GET / HTTP/1.1\r\nHost: ${wiki}\r\nCookie: ${cookie()}\r\nConnection: close\r\n\r\n`,
      );

      assert.match(answer, /^HTTP\/1\.1 401 /);
      assert.equal(backend.connections.length, 0);
    });
  }

  test('a person without assignment is refused with a page that says so', async () => {
    const answer = await bed.exchange(
      wiki,
      `GET / HTTP/1.1\r\nHost: ${wiki}\r\nCookie: ${bed.cookie('wiki', 'bob')}\r\nAccept: text/html\r\nConnection: close\r\n\r\n`,
    );

    assert.match(answer, /^HTTP\/1\.1 403 /);
    assert.match(answer, /not assigned to you/);
    assert.equal(backend.connections.length, 0);
  });

  test('a name that nothing is published at is 404, a name of somebody else 421', async () => {
    const nothing = await bed.exchange(
      `none.${bed.domain}`,
      `GET / HTTP/1.1\r\nHost: none.${bed.domain}\r\nConnection: close\r\n\r\n`,
    );
    const foreign = await bed.exchange(
      open,
      `GET / HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n`,
    );

    assert.match(nothing, /^HTTP\/1\.1 404 /);
    assert.match(foreign, /^HTTP\/1\.1 421 /);
  });
});

describe('backends that misbehave (threat A15)', () => {
  const ask = () => bed.exchange(open, `GET / HTTP/1.1\r\nHost: ${open}\r\nConnection: close\r\n\r\n`);

  for (const [name, answer, reason] of [
    ['garbage', 'not HTTP at all\r\n\r\n', /502/],
    [
      'both framings',
      'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      /502/,
    ],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc', /502/],
    ['a bare CR in a field', 'HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n', /502/],
    ['a head of 1 MB', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(1_000_000)}\r\n\r\n`, /502/],
    [
      'an unasked 101',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
      /502/,
    ],
  ] as const) {
    test(`${name} is answered with 502`, async () => {
      backend.onConnection = says(answer);
      assert.match((await ask()).slice(0, 12), reason);
    });
  }

  test('bytes after the answer are no answer to the next request', async () => {
    backend.onConnection = says(
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
    );
    const socket = await bed.connect(open);
    const client = reader(socket);
    socket.write(`GET /1 HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    await client.until('\r\n\r\nok');
    backend.onConnection = says('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood');
    socket.write(`GET /2 HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
    const text = await client.until('good');
    socket.destroy();

    assert.doesNotMatch(text, /evil/);
  });

  test('an answer that is cut off is cut off for the client too', async () => {
    backend.onConnection = says('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this', true);
    const answer = await ask();

    assert.match(answer, /Content-Length: 100\r\n[\s\S]*only this$/);
  });

  test('a closed connection before any answer is 502 and a safe request is tried once more', async () => {
    backend.onConnection = connection => {
      void connection.until('\r\n\r\n').then(() => connection.socket.destroy());
    };
    const answer = await ask();

    assert.match(answer, /^HTTP\/1\.1 502 /);
    assert.equal(backend.requestLines.length, 2);
  });

  test('a POST whose connection was closed is not sent again', async () => {
    backend.onConnection = connection => {
      void connection.until('abc').then(() => connection.socket.destroy());
    };
    const answer = await bed.exchange(
      open,
      `POST / HTTP/1.1\r\nHost: ${open}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`,
    );

    assert.match(answer, /^HTTP\/1\.1 502 /);
    assert.equal(backend.requestLines.length, 1);
  });

  test('a backend that does not answer in its time is 504, and its connection is closed', async () => {
    backend.onConnection = () => {};
    const slow = bed.hostOf('slow');
    const answer = await bed.exchange(slow, `GET / HTTP/1.1\r\nHost: ${slow}\r\nConnection: close\r\n\r\n`);

    assert.match(answer, /^HTTP\/1\.1 504 /);
    assert.match(answer, /"hop":"backend"/);
    await backend.connections[0]!.closed();
  });
});

describe('a backend that ends its idle connections, as one does that is restarted', () => {
  const post = 'POST /once HTTP/1.1\r\nHost: open.bed.localhost\r\nContent-Length: 5\r\n\r\nhello';

  /** Clients whose answers came in the order given, and as many connections to the backend that idle since. */
  async function idle(order: readonly number[]): Promise<RawClient[]> {
    const asked: BackendConnectionLog[] = [];
    backend.onConnection = connection => void asked.push(connection);
    const clients: RawClient[] = [];
    for (const index of order.toSorted()) {
      const client = new RawClient(await bed.connect(open));
      clients.push(client);
      client.send(`GET /${index} HTTP/1.1\r\nHost: ${open}\r\n\r\n`);
      while (asked.length < clients.length) await sleep(5);
      await asked[index]!.until('\r\n\r\n');
    }
    for (const index of order) {
      asked[index]!.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nidle');
      await clients[index]!.until('idle');
    }
    backend.onConnection = answerEveryRequest;
    return clients;
  }

  function endIdle(): void {
    for (const { socket } of backend.connections) socket.destroy();
  }

  test('loses no request that the connector gets together with their ends', async () => {
    const answers: string[] = [];
    for (let round = 0; round < 5; round++) {
      const clients = await idle([0, 1, 2, 3]);
      const pid = bed.connectors[0]!.process.pid!;
      // It waits for whatever comes next by then.
      await sleep(50);
      await hold(pid);
      const answer = clients[0]!.ask(post);
      await sleep(100);
      endIdle();
      process.kill(pid, 'SIGCONT');

      answers.push((await answer).slice(0, 12));
      const posts = backend.requestLines.filter(line => line.startsWith('POST'));
      assert.ok(posts.length <= 1, `${posts}`);
      for (const client of clients) client.destroy();
      await backend.reset();
    }

    // Something else may have woken it in between, which hides the ends from it until it has gone on.
    const answered = answers.filter(answer => answer === 'HTTP/1.1 200');
    assert.ok(answered.length >= 4, `${answers}`);
  });

  test('loses no request that the relay gets before their ends, however many there are', async () => {
    // Connections are taken from the last that was used on, and each ends only just after it was taken.
    const clients = await idle([5, 4, 3, 2, 1, 0]);
    const pid = bed.service.pid!;
    await hold(pid);
    const answer = clients[0]!.ask(post);
    await sleep(100);
    await Promise.all(backend.connections.map(({ socket }) => endSocket(socket)));
    process.kill(pid, 'SIGCONT');

    assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.deepEqual(
      backend.requestLines.filter(line => line.startsWith('POST')),
      ['POST /once HTTP/1.1'],
    );
    for (const client of clients) client.destroy();
  });
});

describe('connections that are slow or silent', () => {
  test('what follows a refused head is not read as a request', async () => {
    const answer = await bed.exchange(
      open,
      `GET / HTTP/1.1\r\nHost: ${open}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabcGET /second HTTP/1.1\r\nHost: ${open}\r\n\r\n`,
    );

    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.equal(answer.match(/HTTP\/1\.1/g)!.length, 1);
    assert.equal(backend.connections.length, 0);
  });

  test('a ClientHello byte by byte is served', async () => {
    const socket = await bed.connect(open);
    const answer = readAll(socket);
    socket.write(`GET / HTTP/1.1\r\nHost: ${open}\r\nConnection: close\r\n\r\n`);

    assert.match(await answer, /answer 1$/);
  });
});

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
