import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultHeadLimits, MessageHead, parseRequestHead } from './head.ts';
import { checkTarget, parseHost, pathReadings, RequestTarget } from './target.ts';

interface Checked {
  origin: string;
  path: string;
  isPlain: boolean;
  strict: string;
  lenient: string;
}

function check(written: string, host = 'a.example'): Checked {
  const bytes = Buffer.from(`GET ${written} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 'latin1');
  const head = new MessageHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits, head));
  const target = new RequestTarget();
  checkTarget(head, target);
  return {
    origin: bytes.toString('latin1', target.start, target.end),
    path: bytes.toString('latin1', target.start, target.pathEnd),
    isPlain: target.isPlain,
    ...pathReadings(bytes, target.start, target.pathEnd),
  };
}

describe('request targets (RFC 9112 §3.2)', () => {
  for (const [written, path] of [
    ['/', '/'],
    ['/a/b.c/', '/a/b.c/'],
    ['/a?b=/../c', '/a'],
    ['/?', '/'],
    ['/.well-known/x', '/.well-known/x'],
    ['/...', '/...'],
    ['/a..', '/a..'],
  ]) {
    test(`${written} is plain, with the path ${path}`, () => {
      assert.deepEqual(check(written), { origin: written, path, isPlain: true, strict: path, lenient: path });
    });
  }

  for (const [written, strict, lenient] of [
    ['//admin', '//admin', '/admin'],
    ['/a//b', '/a//b', '/a/b'],
    ['/a%2fb', '/a%2fb', '/a/b'],
    ['/a%5Cb', '/a%5Cb', '/a/b'],
    ['/a%252fb', '/a%252fb', '/a/b'],
    ['/admin;x=1/y', '/admin;x=1/y', '/admin/y'],
    ['/admin%3bx', '/admin%3bx', '/admin'],
    ['/%61dmin', '/admin', '/admin'],
    ['/%2561dmin', '/%2561dmin', '/admin'],
    ['/caf%C3%A9', '/café', '/café'],
    ['/a%3Fb', '/a?b', '/a?b'],
  ]) {
    test(`${written} may be read as ${strict} and as ${lenient}`, () => {
      const checked = check(written);

      assert.deepEqual([checked.isPlain, checked.strict, checked.lenient], [false, strict, lenient]);
      assert.equal(checked.origin, written, 'what is sent on is what was sent');
    });
  }

  test('absolute-form that agrees with Host becomes origin-form', () => {
    assert.equal(check('http://A.example:8443/x?y', 'a.example.:8443').origin, '/x?y');
    assert.throws(() => check('http://b.example/x'), { code: 'bad_target', status: 400 });
  });
});

describe('Host (RFC 9110 §7.2)', () => {
  function parse(text: string): unknown {
    const bytes = Buffer.from(`:${text}:`, 'latin1');
    return parseHost(bytes, 1, bytes.length - 1);
  }

  for (const [written, name, port] of [
    ['a', 'a', -1],
    ['App.Example', 'app.example', -1],
    ['app.example.', 'app.example', -1],
    ['app.example.:8443', 'app.example', 8443],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example', -1],
    ['10.0.0.1:80', '10.0.0.1', 80],
    ['[2001:DB8::1]:65535', '[2001:db8::1]', 65_535],
    ['my_host', 'my_host', -1],
  ] as const) {
    test(`${written} is ${name}, port ${port}`, () => assert.deepEqual(parse(written), { name, port }));
  }

  for (const written of [
    '',
    '.',
    'a..b',
    'a:',
    'a:0',
    'a:080',
    'a:65536',
    'a:1:2',
    'u@a',
    'a,b',
    'a b',
    'a/b',
    'a?b',
    '[::1',
    '::1',
    '[::1].',
    '[::1%25lo]',
    'a%2e',
    '\xe9',
  ]) {
    test(`${JSON.stringify(written)} is refused`, () =>
      assert.throws(() => parse(written), { code: 'bad_host' }));
  }

  test('a long list of labels is refused without long thought', () => {
    assert.throws(() => parse(`${'a.'.repeat(130)}!`), { code: 'bad_host' });
    assert.throws(() => parse(`${'a'.repeat(259)}!`), { code: 'bad_host' });
  });
});
