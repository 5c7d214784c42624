import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fieldIds } from '../http1/fields.ts';
import { rewriteValue } from './response-head.ts';

const addresses = {
  internalOrigin: 'http://10.0.0.5:8080',
  internalPath: '/app/',
  externalOrigin: 'https://wiki.example.com',
  externalPath: '/',
};
const location = (value: string) => rewriteValue(fieldIds.location, value, addresses);
const setCookie = (value: string) => rewriteValue(fieldIds.setCookie, value, addresses);

describe('addresses in an answer', () => {
  for (const [inside, outside] of [
    ['http://10.0.0.5:8080/app/next?a=b#c', 'https://wiki.example.com/next?a=b#c'],
    ['HTTP://10.0.0.5:8080/app/', 'https://wiki.example.com/'],
    ['/app/next', '/next'],
    ['http://10.0.0.5:8080', 'https://wiki.example.com'],
    // A backend that knows its outer name but not that TLS ends before it.
    ['http://wiki.example.com/app/x', 'https://wiki.example.com/x'],
    ['http://10.0.0.5:80801/app/', 'http://10.0.0.5:80801/app/'],
    ['http://10.0.0.5:8080.evil.example/', 'http://10.0.0.5:8080.evil.example/'],
    ['https://elsewhere.example/app/', 'https://elsewhere.example/app/'],
    ['//elsewhere.example/app/', '//elsewhere.example/app/'],
    ['next', 'next'],
  ]) {
    test(`${inside} becomes ${outside}`, () => assert.equal(location(inside!), outside));
  }

  test('Refresh keeps its delay', () => {
    assert.equal(
      rewriteValue(fieldIds.refresh, '5; url=http://10.0.0.5:8080/app/x', addresses),
      '5; url=https://wiki.example.com/x',
    );
  });
});

describe('cookies of an answer (threat D3)', () => {
  for (const [inside, outside] of [
    ['a=b', 'a=b'],
    ['a=b; Domain=10.0.0.5; Secure', 'a=b; Secure'],
    ['a=b; domain = .example.com;HttpOnly', 'a=b;HttpOnly'],
    ['a=b; Path=/app/x; SameSite=Lax', 'a=b; Path=/x; SameSite=Lax'],
    ['domain=b; Path=/elsewhere', 'domain=b; Path=/elsewhere'],
    ['__Host-postern=x; Path=/', null],
    [' __host-POSTERN-tx=x', null],
    ['', ''],
  ] as const) {
    test(`${JSON.stringify(inside)} becomes ${JSON.stringify(outside)}`, () =>
      assert.equal(setCookie(inside), outside));
  }
});
