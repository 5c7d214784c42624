import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { encodeOpenAnswer } from '@postern/protocol/tunnel/preamble';
import { YamuxError } from '@postern/protocol/yamux/errors';
import { defaultHeadLimits } from '../http1/head.ts';
import type { Tunnel } from '../tunnels/tunnel.ts';
import { BackendSession } from './backend-session.ts';
import type { BackendCarrier, Exchange } from './exchange.ts';
import { StreamForTests } from './exchange-for-tests.ts';
import type { EdgeError } from './failure.ts';

const ignore = () => {};
const getHead = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n');

/** A session to send requests with, and what their exchanges are told of its loss. */
function openSession(backendKey: string) {
  const stream = new StreamForTests();
  const tunnel = { outstanding: 0, logsRequests: false } as Tunnel;
  const told: {
    carrier: BackendCarrier;
    code: string;
    detail: string;
    wasNotSent: boolean;
    reached: boolean | null;
  }[] = [];
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
    expectedConcurrent: null,
    limits: defaultHeadLimits,
    now: () => 0,
  });
  const client = { isWritable: true };
  const exchange = {
    get isClientWritable() {
      return client.isWritable;
    },
    onOpened: ignore,
    onResponse: ignore,
    onResponseBody: ignore,
    onResponseEnd: () => {
      answered += 1;
    },
    flush: ignore,
    onConnectionLost: (carrier: BackendCarrier, { code, detail }: EdgeError, wasNotSent: boolean) =>
      void told.push({ carrier, code, detail, wasNotSent, reached }),
  } as unknown as Exchange;
  let answered = 0;
  const send = (head = getHead, content?: Buffer) => {
    const request = session.begin('r');
    request.attach(exchange);
    request.write(head);
    if (content !== undefined) request.write(content);
    return request;
  };
  return { stream, told, tunnel, session, client, send, answers: () => answered };
}

const openAnswer = encodeOpenAnswer({ code: 'ok', detail: {} });
/** SETTINGS with MAX_CONCURRENT_STREAMS of 1 (RFC 9113 §6.5.2). */
const settings = Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1]);
const noSettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

/** What comes from the backend goes through the frames' library in several turns. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await setImmediate();
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
      const { stream, told, tunnel, session, send } = openSession(key);
      send();
      assert.equal(tunnel.outstanding, 1);
      stream.onData(encodeOpenAnswer(answer));
      session.destroy();

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

describe('a session whose backend takes few requests at a time', () => {
  test('gives back what it took before it knew, and has not sent yet', async () => {
    const { session, stream, told, send } = openSession('http://a:1 true http2');
    send();
    await setImmediate();
    const second = send();
    // In the turn in which the second request came: its frames have not gone out, and will not.
    stream.onData(Buffer.concat([openAnswer, settings]));
    await setImmediate();
    await setImmediate();
    assert.deepEqual(
      told.map(({ carrier, code, wasNotSent }) => [carrier === second, code, wasNotSent]),
      [[true, 'backend_busy', true]],
    );
    assert.equal(session.hasRoom, false);
    session.destroy();
  });

  test('is rid of a request that was answered before its content could go out', async () => {
    const { session, stream, told, send, answers } = openSession('http://a:1 true http2');
    stream.onData(Buffer.concat([openAnswer, settings]));
    await turns();
    const head = Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n');
    // More than a window that a backend has not widened.
    send(head, Buffer.alloc(70_000));
    await turns();
    // HEADERS with END_STREAM: 400.
    stream.onData(Buffer.from([0, 0, 1, 1, 5, 0, 0, 0, 1, 0x8c]));
    await turns();
    assert.equal(answers(), 1);
    assert.equal(session.hasRoom, true);

    const next = send();
    await turns();
    assert.equal(next.isQueued, false);
    assert.deepEqual(told, []);
    session.destroy();
  });
});

test('a backend that takes fewer requests from now on ends no answer that waits for its client', async () => {
  const { session, stream, told, client, send, answers } = openSession('http://a:1 true http2');
  stream.onData(Buffer.concat([openAnswer, noSettings]));
  await turns();
  send();
  const second = send();
  await turns();
  client.isWritable = false;
  // HEADERS: 200, then DATA with END_STREAM, on the second stream.
  stream.onData(Buffer.from([0, 0, 1, 1, 4, 0, 0, 0, 3, 0x88]));
  await turns();
  stream.onData(Buffer.from([0, 0, 2, 0, 1, 0, 0, 0, 3, 0x6f, 0x6b]));
  await turns();
  stream.onData(settings);
  await turns();
  assert.deepEqual(told, []);

  client.isWritable = true;
  second.resume();
  await turns();
  assert.equal(answers(), 1);
  session.destroy();
});

test('a session that a backend has broken takes no further request', async () => {
  const { session, stream, told, send } = openSession('http://a:1 true http2');
  stream.onData(Buffer.concat([openAnswer, noSettings]));
  await turns();
  send();
  await turns();
  assert.equal(session.hasRoom, true);
  // DATA on no stream (RFC 9113 §6.1).
  stream.onData(Buffer.from([0, 0, 1, 0, 0, 0, 0, 0, 0, 0]));
  assert.equal(session.hasRoom, false);
  await turns();
  assert.equal(told[0]?.code, 'backend_closed');
});

test('a session is gone when its last request has ended behind GOAWAY, though the backend does not end it', async () => {
  const { session, stream, send, answers } = openSession('http://a:1 true http2');
  stream.onData(Buffer.concat([openAnswer, settings]));
  await turns();
  send();
  await turns();
  // GOAWAY without an error for stream 1, then its answer: 200.
  stream.onData(Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]));
  await turns();
  stream.onData(Buffer.from([0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]));
  await turns();
  assert.equal(answers(), 1);
  assert.equal(session.hasRoom, false);
  assert.equal(stream.isReset, true);
});

test('an answer goes on to a slow client though the connector lets go of the stream behind its end', async () => {
  const { stream, told, client, send, answers } = openSession('http://a:1 true http2');
  stream.onData(Buffer.concat([openAnswer, settings]));
  await turns();
  const request = send();
  await turns();
  client.isWritable = false;
  // The head of an answer and a part of its content, then the rest of it.
  stream.onData(Buffer.from([0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88, 0, 0, 1, 0, 0, 0, 0, 0, 1, 97]));
  await turns();
  stream.onData(Buffer.from([0, 0, 1, 0, 1, 0, 0, 0, 1, 98]));
  stream.onEnd();
  await turns();

  stream.onError(new YamuxError('reset', 'stream 1 was reset by the other side'));
  await turns();
  assert.deepEqual(told, []);
  assert.equal(answers(), 0);
  client.isWritable = true;
  request.resume();
  await turns();
  assert.equal(answers(), 1);
  assert.equal(stream.isReset, true);
});
