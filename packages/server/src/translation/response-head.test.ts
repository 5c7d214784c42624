import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fieldIds } from '../http1/fields.ts';
import { PublishedLinks } from './published-links.ts';
import { rewriteValue } from './response-head.ts';
import { address } from './translate-for-tests.ts';

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

describe('other fields that name the internal host', () => {
  const links = new PublishedLinks([address('https://shop.corp/', 'https://shop.example.com/')]);
  for (const [name, inside, outside] of [
    ['location', 'https://shop.corp/x', 'https://shop.example.com/x'],
    ['location', '//10.0.0.5:8080/app/x', '//wiki.example.com/x'],
    ['contentLocation', 'http://10.0.0.5:8080/app/x', 'https://wiki.example.com/x'],
    ['refresh', '0;URL="http://10.0.0.5:8080/app/x"', '0;URL="https://wiki.example.com/x"'],
    ['refresh', '30', '30'],
    [
      'link',
      '<http://10.0.0.5:8080/app/a.css>; rel=preload; title="<http://10.0.0.5:8080/app/>", <https://shop.corp/>; rel=next',
      '<https://wiki.example.com/a.css>; rel=preload; title="<http://10.0.0.5:8080/app/>", <https://shop.example.com/>; rel=next',
    ],
    [
      'contentSecurityPolicy',
      "default-src 'self' http://10.0.0.5:8080; connect-src ws://10.0.0.5:8080 shop.corp:443 https: data:; report-uri /app/csp",
      "default-src 'self' https://wiki.example.com; connect-src wss://wiki.example.com shop.corp:443 https: data:; report-uri /csp",
    ],
    ['contentSecurityPolicyReportOnly', 'img-src https://shop.corp/', 'img-src https://shop.example.com/'],
    ['accessControlAllowOrigin', 'http://10.0.0.5:8080', 'https://wiki.example.com'],
    ['accessControlAllowOrigin', 'https://shop.corp', 'https://shop.example.com'],
    ['accessControlAllowOrigin', 'https://elsewhere.example', 'https://elsewhere.example'],
    ['accessControlAllowOrigin', '*', '*'],
  ] as const) {
    test(`${name}: ${inside}`, () =>
      assert.equal(rewriteValue(fieldIds[name], inside, addresses, links), outside));
  }
});

describe('cookies of an answer (threat D3)', () => {
  for (const [inside, outside] of [
    ['a=b', 'a=b'],
    ['a=b; Domain=10.0.0.5; Secure', 'a=b; Secure'],
    ['a=b; domain = .example.com;HttpOnly', 'a=b;HttpOnly'],
    ['a=b; Path=/app/x; SameSite=Lax', 'a=b; Path=/x; SameSite=Lax'],
    ['a=b; Path=/app', 'a=b; Path=/'],
    ['a=b; Path=/apple', 'a=b; Path=/apple'],
    ['domain=b; Path=/elsewhere', 'domain=b; Path=/elsewhere'],
    ['__Host-postern=x; Path=/', null],
    [' __host-POSTERN-tx=x', null],
    // Without a name of its own it would come back as ours.
    ['=__Host-postern=x; Secure; Path=/', null],
    ['= __Host-postern=x', null],
    ['=a', '=a'],
    ['', ''],
  ] as const) {
    test(`${JSON.stringify(inside)} becomes ${JSON.stringify(outside)}`, () =>
      assert.equal(setCookie(inside), outside));
  }

  test('one whose name begins with __Host- keeps the only path that browsers take for it', () => {
    const below = { ...addresses, internalPath: '/', externalPath: '/wiki/' };
    const turned = (value: string) => rewriteValue(fieldIds.setCookie, value, below);

    assert.equal(turned('a=b; Path=/; Secure'), 'a=b; Path=/wiki/; Secure');
    assert.equal(turned('__Host-a=b; Path=/; Secure'), '__Host-a=b; Path=/; Secure');
    assert.equal(turned('__HOST-a=b; Secure; path=/'), '__HOST-a=b; Secure; path=/');
  });
});
