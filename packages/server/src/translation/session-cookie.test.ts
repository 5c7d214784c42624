import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultHeadLimits, MessageHead, parseRequestHead } from '../http1/head.ts';
import { copyForeignCookies, readSessionCookie } from './session-cookie.ts';

const value = 'x'.repeat(43);

function cookieOf(...fields: string[]): string | null {
  const bytes = Buffer.from(
    `GET / HTTP/1.1\r\nHost: a\r\n${fields.map(field => `Cookie: ${field}\r\n`).join('')}\r\n`,
  );
  const head = new MessageHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits, head));
  return readSessionCookie(head);
}

function foreign(text: string): string {
  const bytes = Buffer.from(text);
  const out = Buffer.alloc(bytes.length + 8);
  return out.toString('latin1', 0, copyForeignCookies(bytes, 0, bytes.length, out, 0));
}

describe('the session cookie (RFC 6265bis §5.8.3)', () => {
  test('is found wherever it stands among others', () => {
    assert.equal(cookieOf(`__Host-postern=${value}`), value);
    assert.equal(cookieOf(`a=b; __Host-postern=${value}; c=d`), value);
    assert.equal(cookieOf('a=b', `__Host-postern=${value}`), value);
  });

  test('of another name, length or place is none', () => {
    assert.equal(cookieOf(`__Host-postern2=${value}`), null);
    assert.equal(cookieOf(`x__Host-postern=${value}`), null);
    assert.equal(cookieOf(`a="__Host-postern=${value}`), null);
    assert.equal(cookieOf(`__Host-postern=${value}x`), null);
    assert.equal(cookieOf('__Host-postern='), null);
    assert.equal(cookieOf('__Host-postern'), null);
  });

  test('that comes twice is none, in one field or in two (threat D2)', () => {
    assert.equal(cookieOf(`__Host-postern=${value}; __Host-postern=${value}`), null);
    assert.equal(cookieOf(`__Host-postern=${value}`, `__Host-postern=${value}`), null);
  });
});

describe('the cookies for a backend', () => {
  test('are all but the service’s own, as they were', () => {
    assert.equal(foreign(`a=b; __Host-postern=${value}; c="d e"`), 'a=b; c="d e"');
    assert.equal(foreign(`__Host-postern=${value}; __Host-postern-tx-1=y; c=d`), 'c=d');
    assert.equal(foreign('a=b;c=d'), 'a=b; c=d');
  });

  test('are none where only ours came', () => {
    assert.equal(foreign(`__Host-postern=${value}`), '');
    assert.equal(foreign(` ;; __Host-postern=${value} ; `), '');
  });
});
