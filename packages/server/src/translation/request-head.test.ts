import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CustomHeaders } from '@postern/protocol/admin/publishing-headers';
import { defaultHeadLimits, MessageHead, parseRequestHead } from '../http1/head.ts';
import { prepareRequestHeaders } from './custom-headers.ts';
import { writeRequestFields, writeRequestHead } from './request-head.ts';

const ours = Buffer.from('Host: internal:8080\r\nX-Forwarded-For: 192.0.2.1\r\n');
const identity = Buffer.from('X-Forwarded-User: ada\r\n');

function translate(
  request: string,
  options: { target?: string; reserved?: string[]; keepsOwnCookies?: boolean; custom?: CustomHeaders } = {},
): string {
  const bytes = Buffer.from(request, 'latin1');
  const head = new MessageHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits, head));
  const fields = writeRequestFields(head, {
    connectionFields: ours,
    identityFields: identity,
    reservedNames: new Set(options.reserved ?? []),
    keepsOwnCookies: options.keepsOwnCookies ?? false,
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
