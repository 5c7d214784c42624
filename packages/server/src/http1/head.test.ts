import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Http1Error } from './error.ts';
import { fieldIdOf, fieldIds, fieldNames } from './fields.ts';
import { defaultHeadLimits, HeadReader, MessageHead, parseRequestHead, parseResponseHead } from './head.ts';

function request(text: string, into = new MessageHead(), before = ''): MessageHead {
  const bytes = Buffer.from(`${before}${text}`, 'latin1');
  assert.equal(parseRequestHead(bytes, before.length, bytes.length, defaultHeadLimits, into), true);
  return into;
}

function response(text: string, method = 'GET', into = new MessageHead()): MessageHead {
  const bytes = Buffer.from(text, 'latin1');
  assert.equal(parseResponseHead(bytes, 0, bytes.length, defaultHeadLimits, method, into), true);
  return into;
}

function lines(head: MessageHead): string[] {
  return Array.from({ length: head.fieldCount }, (_, index) =>
    head.bytes.toString('latin1', head.lineStart(index), head.lineEnd(index)),
  );
}

describe('field names', () => {
  test('every listed name is found in any case, and nothing like it', () => {
    for (let id = fieldIds.host; id < fieldNames.length; id++) {
      const name = fieldNames[id];
      for (const written of [name, name.toUpperCase()]) {
        assert.equal(fieldIdOf(Buffer.from(`-${written}-`), 1, 1 + written.length), id, written);
      }
      for (let at = 0; at < name.length; at++) {
        const other = Buffer.from(name);
        other[at] = 0x7e;
        assert.equal(fieldIdOf(other, 0, other.length), fieldIds.other, other.toString());
      }
    }
  });

  test('a name with an underscore is told apart, also where it imitates a listed one', () => {
    for (const name of ['X_Forwarded_For', 'content_length', '_', 'a_']) {
      assert.equal(fieldIdOf(Buffer.from(name), 0, name.length), fieldIds.underscored, name);
    }
  });

  test('names of object properties are ordinary names', () => {
    const head = request('GET / HTTP/1.1\r\nHost: a\r\n__proto__: x\r\nconstructor: y\r\n\r\n');

    assert.deepEqual([head.nameOf(1), head.nameOf(2)], ['__proto__', 'constructor']);
    assert.deepEqual([head.idOf(1), head.idOf(2)], [fieldIds.underscored, fieldIds.other]);
  });
});

describe('request heads (RFC 9112 §3, §5)', () => {
  test('what is found is where it stands', () => {
    const text =
      'POST /a?b HTTP/1.1\r\nHost: a.example\r\nX-Name:  some value \t\r\nCONTENT-length: 7\r\n\r\n';

    const head = request(text, undefined, 'xyz');

    assert.equal(head.method, 'POST');
    assert.equal(head.bytes.toString('latin1', head.targetStart, head.targetEnd), '/a?b');
    assert.equal(head.start, 3);
    assert.equal(head.end, 3 + text.length);
    assert.deepEqual(lines(head), [
      'Host: a.example\r\n',
      'X-Name:  some value \t\r\n',
      'CONTENT-length: 7\r\n',
    ]);
    assert.equal(head.valueOf(1), 'some value');
    assert.equal(head.find(fieldIds.contentLength), 2);
    assert.equal(head.find(fieldIds.cookie), -1);
    assert.deepEqual([head.contentLength, head.isChunked, head.bodyKind], [7, false, 'length']);
  });

  test('a head is found for each field, the first of several and the next', () => {
    const head = request('GET / HTTP/1.1\r\nCookie: a\r\nHost: a\r\ncookie: b\r\n\r\n');

    assert.equal(head.find(fieldIds.cookie), 0);
    assert.equal(head.findNext(fieldIds.cookie, 0), 2);
    assert.equal(head.findNext(fieldIds.cookie, 2), -1);
  });

  test('names without an id are compared in any case', () => {
    const head = request('GET / HTTP/1.1\r\nHost: a\r\nX-PostErn-User: me\r\n\r\n');

    assert.ok(head.nameIs(1, 'x-postern-user'));
    assert.ok(head.nameStartsWith(1, 'x-postern-'));
    assert.ok(!head.nameIs(1, 'x-postern'));
    assert.ok(!head.nameStartsWith(0, 'hostname'));
  });

  test('a message leaves nothing behind for the next one', () => {
    const head = new MessageHead();
    request(
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close, x-a, upgrade\r\nUpgrade: b\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n',
      head,
    );
    assert.deepEqual(
      [head.keepAlive, head.upgrade, head.expectsContinue, head.hasNominations],
      [false, true, true, true],
    );

    request('GET / HTTP/1.1\r\nHost: a\r\n\r\n', head);

    assert.deepEqual(
      [head.keepAlive, head.upgrade, head.expectsContinue, head.hasNominations],
      [true, false, false, false],
    );
    assert.deepEqual([head.contentLength, head.bodyKind, head.fieldCount], [-1, 'none', 1]);
    for (const id of [fieldIds.connection, fieldIds.upgrade, fieldIds.expect])
      assert.equal(head.find(id), -1);
  });

  test('a refused head leaves nothing behind either', () => {
    const head = new MessageHead();
    assert.throws(
      () => request('GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX y: z\r\n\r\n', head),
      Http1Error,
    );

    request('GET / HTTP/1.1\r\nX-A: b\r\nHost: a\r\n\r\n', head);

    assert.deepEqual(
      [head.contentLength, head.find(fieldIds.host), head.find(fieldIds.contentLength)],
      [-1, 1, -1],
    );
  });

  test('an Upgrade that names nothing is none', () => {
    for (const value of ['', ' ', '\t']) {
      const head = request(`GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade:${value}\r\n\r\n`);
      assert.equal(head.upgrade, false);
    }
  });

  test('upgrade and 100-continue are ignored on HTTP/1.0', () => {
    const head = request(
      'POST / HTTP/1.0\r\nHost: a\r\nConnection: upgrade, keep-alive\r\nUpgrade: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n',
    );

    assert.deepEqual([head.upgrade, head.expectsContinue, head.keepAlive], [false, false, true]);
  });

  test('nominated fields are listed, whatever the white space and case', () => {
    const head = request(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive ,\tX-One,,x-TWO\r\nConnection: te\r\n\r\n',
    );

    assert.equal(head.hasNominations, true);
    assert.deepEqual(head.nominatedNames(), ['x-one', 'x-two', 'te']);
  });

  for (const [version, connection, keepAlive] of [
    ['1.1', '', true],
    ['1.1', 'Connection: close\r\n', false],
    ['1.1', 'Connection: keep-alive\r\nConnection: CLOSE\r\n', false],
    ['1.0', '', false],
    ['1.0', 'Connection: Keep-Alive\r\n', true],
    ['1.0', 'Connection: keep-alive, close\r\n', false],
  ] as const) {
    test(`HTTP/${version} with ${JSON.stringify(connection)}: the connection ${keepAlive ? 'stays' : 'ends'}`, () => {
      assert.equal(request(`GET / HTTP/${version}\r\nHost: a\r\n${connection}\r\n`).keepAlive, keepAlive);
    });
  }
});

describe('repeated field sections', () => {
  const first = 'GET /one HTTP/1.1\r\nHost: a\r\nX-A: b\r\nContent-Length: 5\r\n\r\n';

  test('are found where they stand now, under the same version', () => {
    const head = new MessageHead();
    for (let i = 0; i < 3; i++) request(first, head);
    const version = head.fieldsVersion;

    request(first.replace('GET /one', 'POST /a/longer/target'), head, 'some bytes before');

    assert.equal(head.fieldsVersion, version);
    assert.equal(head.method, 'POST');
    assert.deepEqual(lines(head), ['Host: a\r\n', 'X-A: b\r\n', 'Content-Length: 5\r\n']);
    assert.deepEqual([head.valueOf(1), head.contentLength, head.bodyKind], ['b', 5, 'length']);
    assert.equal(head.end, head.bytes.length);
  });

  test('another byte is another version', () => {
    const head = new MessageHead();
    for (let i = 0; i < 3; i++) request(first, head);
    const version = head.fieldsVersion;

    request(first.replace('X-A: b', 'X-A: c'), head);

    assert.notEqual(head.fieldsVersion, version);
    assert.equal(head.valueOf(1), 'c');
  });

  test('on another version of HTTP mean what they mean there', () => {
    const head = new MessageHead();
    for (let i = 0; i < 3; i++) request(first, head);

    request(first.replace('HTTP/1.1', 'HTTP/1.0'), head);

    assert.equal(head.keepAlive, false);
  });

  test('do not make an incomplete head complete', () => {
    const head = new MessageHead();
    for (let i = 0; i < 3; i++) request(first, head);

    const bytes = Buffer.from(first, 'latin1');

    for (let end = 0; end < bytes.length; end++) {
      assert.equal(parseRequestHead(bytes, 0, end, defaultHeadLimits, head), false);
    }
    request(first, head);
    assert.equal(head.contentLength, 5);
  });
});

describe('response heads (RFC 9112 §4, §6.3)', () => {
  for (const [method, statusAndFields, bodyKind, keepAlive] of [
    ['GET', '200 OK\r\nContent-Length: 5\r\n', 'length', true],
    ['GET', '200 OK\r\nContent-Length: 0\r\n', 'none', true],
    ['GET', '200 OK\r\nTransfer-Encoding: chunked\r\n', 'chunked', true],
    ['GET', '200 OK\r\n', 'close', false],
    ['HEAD', '200 OK\r\n', 'none', true],
    ['HEAD', '200 OK\r\nContent-Length: 5\r\n', 'none', true],
    ['GET', '204 No Content\r\n', 'none', true],
    ['GET', '304 Not Modified\r\nContent-Length: 5\r\n', 'none', true],
    ['GET', '103 Early Hints\r\n', 'none', true],
    ['GET', '200 OK\r\nConnection: close\r\nContent-Length: 5\r\n', 'length', false],
  ] as const) {
    test(`${method} answered with ${JSON.stringify(statusAndFields)}: ${bodyKind}`, () => {
      const head = response(`HTTP/1.1 ${statusAndFields}\r\n`, method);

      assert.deepEqual(
        [head.bodyKind, head.keepAlive, head.status],
        [bodyKind, keepAlive, Number(statusAndFields.slice(0, 3))],
      );
    });
  }

  test('the reason is kept as it was', () => {
    const head = response('HTTP/1.1 404 Not  Found \r\n\r\n');

    assert.equal(head.bytes.toString('latin1', head.reasonStart, head.reasonEnd), 'Not  Found ');
  });

  test('a refusal is a 502 with its reason', () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n';

    assert.throws(() => response(head), {
      code: 'bad_response',
      reason: 'repeated_content_length',
      status: 502,
    });
  });
});

describe('HeadReader', () => {
  test('a bad byte is refused when it arrives, not at the end of the head', () => {
    for (const start of [
      'GET / HTTP/1.1\nHost',
      'GET / HTTP/1.1\r\nX y',
      'GET / HTTP/1.1\r\nX: y\x01',
      'GET / HTTP/1.1\r\nX: y\rZ',
      'GET /\x80',
      'G\0',
      'GET / HTTQ',
    ]) {
      const reader = new HeadReader();
      const head = new MessageHead();
      const bytes = Buffer.from(start, 'latin1');
      let refusedAt = -1;
      for (let end = 1; end <= bytes.length && refusedAt < 0; end++) {
        try {
          assert.equal(reader.readRequest(bytes, 0, end, defaultHeadLimits, head), false);
        } catch (error) {
          assert.ok(error instanceof Http1Error);
          refusedAt = end;
        }
      }
      assert.ok(refusedAt > 0, JSON.stringify(start));
    }
  });

  test('a complete head that arrives after a given-up one is read from its start', () => {
    const reader = new HeadReader();
    const head = new MessageHead();
    const long = Buffer.from(`GET /${'a'.repeat(200)}`, 'latin1');
    assert.equal(reader.readRequest(long, 0, long.length, defaultHeadLimits, head), false);

    reader.reset();
    const next = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'latin1');

    assert.equal(reader.readRequest(next, 0, next.length, defaultHeadLimits, head), true);
  });

  test('bytes may have moved between calls', () => {
    const reader = new HeadReader();
    const head = new MessageHead();
    const text = 'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n';
    const half = Buffer.from(`12345${text.slice(0, 20)}`, 'latin1');
    assert.equal(reader.readRequest(half, 5, half.length, defaultHeadLimits, head), false);

    const whole = Buffer.from(text, 'latin1');

    assert.equal(reader.readRequest(whole, 0, whole.length, defaultHeadLimits, head), true);
    assert.equal(head.end, text.length);
  });
});
