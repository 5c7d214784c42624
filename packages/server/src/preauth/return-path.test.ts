import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { safeReturnPath } from './return-path.ts';

const origin = 'https://wiki.example.com:8443';

describe('threat D6: the return path', () => {
  for (const path of [
    '/',
    '/page?q=1&r=%2F%2Fevil',
    '/a/b%20c',
    '/?next=https://evil.example',
    '/~ann/',
    '/a:b@c',
  ]) {
    test(`${path} is kept`, () => {
      assert.equal(safeReturnPath(path, origin), path);
    });
  }

  const hostile = [
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/.//evil.example',
    '/a/..//evil.example',
    '/%2e//evil.example',
    'https://evil.example/',
    'https:evil.example',
    'https:/evil.example',
    'javascript:alert(1)',
    'data:text/html,x',
    'page',
    '',
    ' /',
    '/é',
    '/\u0000',
    '/a\r\nSet-Cookie: x=y',
    '/.postern/sign-out',
    '/x/../.postern/sign-out',
    `/${'a'.repeat(3_000)}`,
  ];
  for (const asked of hostile) {
    test(`${JSON.stringify(asked.slice(0, 40))} leads to the front page`, () => {
      assert.equal(safeReturnPath(asked, origin), '/');
    });
  }

  test('what is no text leads to the front page', () => {
    for (const asked of [undefined, ['/a', '/b'], { a: 1 }]) assert.equal(safeReturnPath(asked, origin), '/');
  });
});
