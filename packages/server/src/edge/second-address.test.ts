import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultHeadLimits, MessageHead, parseRequestHead } from '../http1/head.ts';
import { applicationRecord } from '../routes/record-for-tests.ts';
import { RouteTable } from '../routes/route-table.ts';
import { translateInwards } from '../translation/published-links.ts';
import { isForeignWebSocket } from './admit.ts';
import { challengeAnswer } from './local-answer.ts';

function headOf(...fields: string[]): MessageHead {
  const bytes = Buffer.from(`GET /x HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`, 'latin1');
  const head = new MessageHead();
  assert.ok(parseRequestHead(bytes, 0, bytes.length, defaultHeadLimits, head));
  return head;
}

for (const isKept of [false, true]) {
  describe(`an alternate URL that ${isKept ? 'is kept' : 'is not kept'}`, () => {
    const wiki = applicationRecord('wiki', 'https://wiki.example.com:8443/', 'http://wiki/', {
      alternateUrl: { url: 'https://anywhere.example.com:8443/', isKept },
    });
    const table = new RouteTable([wiki], { domain: 'example.com', portSuffix: ':8443' });
    const route = table.findHost('anywhere.example.com')!.only!;

    test('lets its own pages open WebSockets, and nobody else’s', () => {
      const isForeign = (origin: string) =>
        isForeignWebSocket(
          headOf(
            ...['Host: anywhere.example.com:8443', 'Connection: Upgrade', 'Upgrade: websocket'],
            ...[
              'Sec-WebSocket-Version: 13',
              'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
              `Origin: ${origin}`,
            ],
          ),
          route,
        );

      assert.equal(isForeign('https://anywhere.example.com:8443'), false);
      assert.equal(isForeign('https://shop.example.com:8443'), true);
      assert.equal(isForeign('https://anywhere.example.com'), true);
    });

    test('is turned inwards in requests, as the host is', () => {
      assert.equal(translateInwards('https://anywhere.example.com:8443', table.links, route), 'http://wiki');
      assert.equal(
        translateInwards('https://anywhere.example.com:8443/a?b', table.links, route),
        'http://wiki/a?b',
      );
    });

    test('is where its own scripts are told to sign in, since sessions are of one host', () => {
      const { body } = challengeAnswer(headOf('Host: anywhere.example.com:8443'), route, 'r', null);

      const { error } = JSON.parse(body.toString()) as { error: { signIn: string; renew: string } };
      assert.equal(error.signIn, 'https://anywhere.example.com:8443/.postern/sign-in');
      assert.equal(error.renew, 'https://anywhere.example.com:8443/.postern/renew');
    });
  });
}
