import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { YamuxError } from '@postern/protocol/yamux/errors';
import { defaultHeadLimits } from '../http1/head.ts';
import { BackendConnection } from './backend-connection.ts';
import type { ResponseSink } from './exchange.ts';
import { exchangeForTests, StreamForTests } from './exchange-for-tests.ts';

const ignore = () => {};
const reset = new YamuxError('reset', 'stream 1 was reset by the other side');

/** A client that takes what it is given, and has no room for more until the test says so. */
class Client implements ResponseSink {
  isWritable = true;
  /** What each flush brought, as text. */
  readonly flushed: string[] = [];
  #body = '';
  ended = false;
  aborted = false;
  onResponseBody(bytes: Buffer, start: number, end: number): void {
    this.#body += bytes.toString('latin1', start, end);
  }
  flush(): void {
    if (this.#body === '') return;
    this.flushed.push(this.#body);
    this.#body = '';
    this.isWritable = false;
  }
  onResponseEnd(): void {
    this.flush();
    this.ended = true;
  }
  onAbort(): void {
    this.aborted = true;
  }
  onInformational = ignore;
  onResponse = ignore;
  onUpgraded = ignore;
  onFailure = ignore;
  onRevoked = ignore;
  onRequestDrain = ignore;
}

function beginAnswer(head: string) {
  const stream = new StreamForTests();
  const client = new Client();
  const places: string[] = [];
  const exchange = exchangeForTests(client);
  const connection = new BackendConnection({
    stream,
    streamId: 1,
    tunnel: null,
    backendId: 'a',
    backendKey: 'a',
    pool: 'a',
    place: {
      release: () => void places.push('released'),
      forget: () => void places.push('forgotten'),
      opened: ignore,
    },
    limits: defaultHeadLimits,
  });
  exchange.useConnection(connection);
  const receive = (text: string) => stream.onData(Buffer.from(text, 'latin1'));
  receive(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`);
  /** The client's room is back. */
  const drain = () => {
    client.isWritable = true;
    exchange.resume();
  };
  return { stream, client, exchange, places, receive, drain };
}

describe('an answer whose client has no room', () => {
  test('waits here, in order, and is granted as it goes on', () => {
    const { stream, client, receive, drain } = beginAnswer('Content-Length: 6');
    const headBytes = stream.consumedBytes;
    for (const piece of ['ab', 'cd', 'ef']) receive(piece);
    assert.deepEqual(client.flushed, ['ab']);
    assert.equal(stream.consumedBytes, headBytes);

    drain();
    assert.deepEqual(client.flushed, ['ab', 'cdef']);
    assert.equal(client.ended, true);
    assert.equal(stream.consumedBytes, headBytes + 6);
  });

  test('goes on by a quarter of a megabyte each time there is room', () => {
    const { client, receive, drain } = beginAnswer('Content-Length: 1048576');
    const piece = 'x'.repeat(65_536);
    for (let count = 0; count < 16; count++) receive(piece);
    while (!client.ended) drain();
    assert.deepEqual(
      client.flushed.map(text => text.length),
      [65_536, 262_144, 262_144, 262_144, 196_608],
    );
  });

  test('is whole before the end that came behind it', () => {
    const { stream, client, receive, drain } = beginAnswer('Connection: close');
    receive('ab');
    receive('cd');
    stream.onEnd();
    assert.equal(client.ended, false);

    drain();
    assert.deepEqual(client.flushed, ['ab', 'cd']);
    assert.equal(client.ended, true);
  });

  test('breaks off at an end that came too early', () => {
    const { stream, client, receive, drain } = beginAnswer('Content-Length: 9');
    receive('ab');
    receive('cd');
    stream.onEnd();
    drain();
    assert.equal(client.ended, false);
    assert.equal(client.aborted, true);
  });

  test('is whole though the connector lets go of the stream behind its end', () => {
    const { stream, client, places, receive, drain } = beginAnswer('Connection: close');
    receive('ab');
    receive('cd');
    stream.onEnd();
    stream.onError(reset);
    assert.equal(client.aborted, false);

    drain();
    assert.deepEqual(client.flushed, ['ab', 'cd']);
    assert.equal(client.ended, true);
    assert.deepEqual(places, ['forgotten']);
  });

  test('is whole though its backend went away with a reset behind it, and its connection is nobody’s', () => {
    const { stream, client, places, receive, drain } = beginAnswer('Content-Length: 4');
    receive('ab');
    receive('cd');
    stream.onError(reset);

    drain();
    assert.deepEqual(client.flushed, ['ab', 'cd']);
    assert.equal(client.ended, true);
    assert.deepEqual(places, ['forgotten']);
  });

  test('breaks off at a reset that came too early, behind what came before', () => {
    const { stream, client, places, receive, drain } = beginAnswer('Connection: close');
    receive('ab');
    receive('cd');
    stream.onError(reset);
    drain();
    assert.deepEqual(client.flushed, ['ab', 'cd']);
    assert.equal(client.ended, false);
    assert.equal(client.aborted, true);
    assert.deepEqual(places, ['forgotten']);
  });

  test('is lost at once with its tunnel', () => {
    const { stream, client, places, receive } = beginAnswer('Content-Length: 9');
    receive('ab');
    receive('cd');
    stream.onError(new Error('gone'));
    assert.equal(client.aborted, true);
    assert.deepEqual(places, ['forgotten']);
  });

  test('does not leave its connection to others when bytes that nobody asked for wait behind it (threat A15)', () => {
    const { stream, client, places, receive, drain } = beginAnswer('Content-Length: 4');
    receive('ab');
    receive('cd');
    receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    drain();
    assert.deepEqual(client.flushed, ['ab', 'cd']);
    assert.equal(client.ended, true);
    assert.deepEqual(places, ['forgotten']);
    assert.equal(stream.isReset, true);
  });

  test('leaves its connection to others otherwise', () => {
    const { places, receive, drain } = beginAnswer('Content-Length: 4');
    receive('ab');
    receive('cd');
    drain();
    assert.deepEqual(places, ['released']);
  });
});
