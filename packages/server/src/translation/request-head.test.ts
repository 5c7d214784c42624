import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CustomHeaders } from '@postern/protocol/admin/publishing-headers';
import { defaultHeadLimits, MessageHead, parseRequestHead } from '../http1/head.ts';
import { prepareRequestHeaders } from './custom-headers.ts';
import { type PublishedAddress, PublishedLinks } from './published-links.ts';
import { writeRequestFields, writeRequestHead } from './request-head.ts';
import { address } from './translate-for-tests.ts';

const ours = Buffer.from('Host: internal:8080\r\nX-Forwarded-For: 192.0.2.1\r\n');
const identity = Buffer.from('X-Forwarded-User: ada\r\n');

function translate(
  request: string,
  options: {
    target?: string;
    reserved?: string[];
    keepsOwnCookies?: boolean;
    keepsAuthorization?: boolean;
    custom?: CustomHeaders;
    addresses?: PublishedAddress;
  } = {},
): string {
  const bytes = Buffer.from(request, 'latin1');
  const head = new MessageHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits, head));
  const fields = writeRequestFields(head, {
    connectionFields: ours,
    identityFields: identity,
    reservedNames: new Set(options.reserved ?? []),
    keepsOwnCookies: options.keepsOwnCookies ?? false,
    keepsAuthorization: options.keepsAuthorization ?? false,
    addresses: options.addresses ?? null,
    links: new PublishedLinks([address('http://shop/', 'https://shop.example.com/')]),
    custom: prepareRequestHeaders(options.custom),
  });
  return writeRequestHead(head, options.target ?? null, fields, 'id-1').toString('latin1');
}

const end =
  'Host: internal:8080\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-User: ada\r\nX-Request-Id: id-1\r\n\r\n';

describe('the head that a backend gets', () => {
  test('has the client’s lines verbatim and ours behind them', () => {
    assert.equal(
      translate('GET /a?b HTTP/1.1\r\nHost: wiki\r\nACCEPT:  text/html \r\nX-Own: 1\r\n\r\n'),
      `GET /a?b HTTP/1.1\r\nACCEPT:  text/html \r\nX-Own: 1\r\n${end}`,
    );
  });

  test('has no identity or forwarding field of the client, however it is spelled (threats B7, C1)', () => {
    const forged = [
      'X-Forwarded-User: m',
      'x-forwarded-for: m',
      'X-FORWARDED-GROUPS: m',
      'X_Forwarded_User: m',
      'Forwarded: for=m',
      'X-Real-IP: m',
      'True-Client-IP: m',
      'X-Original-URL: m',
      'X-Rewrite-URL: m',
      'X-Postern-User-Id: m',
      'X-Remote-User: m',
      'Remote-User: m',
      'Remote_User: m',
      'X-Auth-Request-Email: m',
      'Front-End-Https: m',
      'X-Request-Id: m',
    ];
    assert.equal(
      translate(`GET / HTTP/1.1\r\nHost: wiki\r\n${forged.join('\r\n')}\r\n\r\n`),
      `GET / HTTP/1.1\r\n${end}`,
    );
  });

  test('has no field of a configured identity name', () => {
    assert.equal(
      translate('GET / HTTP/1.1\r\nHost: wiki\r\nX-User: m\r\nX-Users: k\r\n\r\n', { reserved: ['x-user'] }),
      `GET / HTTP/1.1\r\nX-Users: k\r\n${end}`,
    );
  });

  test('loses what Connection names before ours are added (threat C2)', () => {
    assert.equal(
      translate(
        'GET / HTTP/1.1\r\nHost: wiki\r\nConnection: x-a, X-Forwarded-User , keep-alive\r\nX-A: 1\r\nX-B: 2\r\nKeep-Alive: 5\r\n\r\n',
      ),
      `GET / HTTP/1.1\r\nX-B: 2\r\n${end}`,
    );
  });

  test('keeps Upgrade only where Connection asks for it', () => {
    assert.match(
      translate('GET / HTTP/1.1\r\nHost: w\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'),
      /\r\nUpgrade: websocket\r\n[\s\S]*Connection: upgrade\r\n/,
    );
    assert.doesNotMatch(
      translate('GET / HTTP/1.1\r\nHost: w\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n'),
      /upgrade|settings/i,
    );
  });

  test('never carries the service’s own cookies, and no empty Cookie line', () => {
    const cookie = `__Host-postern=${'x'.repeat(43)}`;
    assert.equal(
      translate(`GET / HTTP/1.1\r\nHost: w\r\nCookie: a=1; ${cookie}; b=2\r\n\r\n`),
      `GET / HTTP/1.1\r\nCookie: a=1; b=2\r\n${end}`,
    );
    assert.equal(
      translate(`GET / HTTP/1.1\r\nHost: w\r\nCookie: ${cookie}\r\n\r\n`),
      `GET / HTTP/1.1\r\n${end}`,
    );
  });

  test('carries them to the control process, which made them', () => {
    assert.match(
      translate('GET / HTTP/1.1\r\nHost: w\r\nCookie: __Host-postern-tx-1=y\r\n\r\n', {
        keepsOwnCookies: true,
      }),
      /Cookie: __Host-postern-tx-1=y/,
    );
  });

  test('is HTTP/1.1 for an HTTP/1.0 client, and may name another target', () => {
    assert.match(translate('GET /a HTTP/1.0\r\nHost: w\r\n\r\n'), /^GET \/a HTTP\/1\.1\r\n/);
    assert.match(
      translate('GET /a HTTP/1.1\r\nHost: w\r\n\r\n', { target: '/app/a' }),
      /^GET \/app\/a HTTP\/1\.1\r\nHost: internal/,
    );
  });
});

describe('addresses in a request to a backend that is asked for by its internal host', () => {
  const addresses = address('http://internal:8080/app/', 'https://wiki.example.com/');
  const request =
    'MOVE /a HTTP/1.1\r\nHost: wiki\r\nOrigin: https://wiki.example.com\r\nReferer: https://shop.example.com/x?y\r\n' +
    'DESTINATION: https://wiki.example.com/b\r\nX-Own: https://wiki.example.com/\r\n\r\n';

  test('name it as the backend knows it, or another application that is published', () => {
    assert.equal(
      translate(request, { addresses }),
      'MOVE /a HTTP/1.1\r\norigin: http://internal:8080\r\nreferer: http://shop/x?y\r\n' +
        `destination: http://internal:8080/app/b\r\nX-Own: https://wiki.example.com/\r\n${end}`,
    );
  });

  test('stay as they are where the backend is asked for by its outer host', () => {
    assert.equal(translate(request), request.replace('Host: wiki\r\n', '').replace(/\r\n$/, end));
  });

  test('of foreign pages stay as they are: the backend decides about them', () => {
    const foreign = 'GET / HTTP/1.1\r\nHost: wiki\r\nOrigin: https://evil.example\r\nReferer: null\r\n\r\n';

    assert.match(translate(foreign, { addresses }), /Origin: https:\/\/evil\.example\r\nReferer: null\r\n/);
  });
});
