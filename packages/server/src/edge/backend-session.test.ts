import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeOpenAnswer, type OpenAnswer } from '@postern/protocol/tunnel/preamble';
import { defaultHeadLimits } from '../http1/head.ts';
import type { Tunnel } from '../tunnels/tunnel.ts';
import { BackendSession } from './backend-session.ts';
import type { Exchange } from './exchange.ts';
import { StreamForTests } from './exchange-for-tests.ts';
import type { EdgeError } from './failure.ts';

const ignore = () => {};

/** Opens a session with one request, lets the connector answer, and gives what the exchange is told. */
function openWith(backendKey: string, answer: OpenAnswer) {
  const stream = new StreamForTests();
  const tunnel = { outstanding: 0, logsRequests: false } as Tunnel;
  const told: { code: string; detail: string; wasNotSent: boolean; reached: boolean | null }[] = [];
  let reached: boolean | null = null;
  const session = new BackendSession({
    stream,
    streamId: 1,
    tunnel,
    to: { backendId: 'a', backendKey, dialHost: null, pool: 'a' },
    place: {
      forgetSession: ignore,
      opened: (_session, wasReached) => {
        reached = wasReached;
      },
    },
    limits: defaultHeadLimits,
    now: () => 0,
  });
  const exchange = {
    onOpened: ignore,
    onConnectionLost: (_carrier: unknown, { code, detail }: EdgeError, wasNotSent: boolean) =>
      void told.push({ code, detail, wasNotSent, reached }),
  } as unknown as Exchange;
  const request = session.begin('r');
  request.attach(exchange);
  request.write(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  assert.equal(tunnel.outstanding, 1);
  stream.onData(encodeOpenAnswer(answer));
  session.destroy();
  return { told, tunnel, session };
}

describe('a session with a backend that cannot be spoken to', () => {
  for (const [name, key, answer, code, detail] of [
    [
      'because it refuses connections',
      'http://a:1 true http2',
      { code: 'connection_refused', detail: { error: 'refused' } },
      'backend_refused',
      /refused/,
    ],
    [
      'because it does not choose h2',
      'https://a:1 true http2',
      { code: 'no_http2', detail: { error: 'no h2' } },
      'backend_not_http2',
      /no h2/,
    ],
    [
      'because the connector is of an older release, and asked for HTTP/1.1',
      'https://a:1 true http2',
      { code: 'ok', detail: { alpn: 'http/1.1' } },
      'backend_not_http2',
      /older release/,
    ],
  ] as const) {
    test(`${name}: its requests were certainly not sent`, () => {
      const { told, tunnel, session } = openWith(key, answer);

      assert.equal(told.length, 1);
      assert.equal(told[0]!.code, code);
      assert.match(told[0]!.detail, detail);
      assert.equal(told[0]!.wasNotSent, true);
      assert.equal(told[0]!.reached, false);
      assert.equal(tunnel.outstanding, 0);
      assert.equal(session.hasRoom, false);
    });
  }
});
