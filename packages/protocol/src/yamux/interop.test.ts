import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { yamux } from '@chainsafe/libp2p-yamux';
import { YamuxSession } from './session.ts';
import type { YamuxStream } from './stream.ts';

// The other implementation is libp2p's. (yamux-js loses what a chunk of the connection cuts in two.)
type Muxer = ReturnType<ReturnType<ReturnType<typeof yamux>>['createStreamMuxer']>;
type MuxerConnection = Parameters<ReturnType<ReturnType<typeof yamux>>['createStreamMuxer']>[0];
type MuxerStream = Awaited<ReturnType<Muxer['createStream']>>;

/** As much of a libp2p connection as its muxer uses, over a socket. */
class SocketConnection extends EventTarget {
  readonly direction: 'inbound' | 'outbound';
  readonly log = Object.assign(() => {}, { trace() {}, error() {}, newScope: () => this.log });
  readonly #socket: Socket;

  constructor(socket: Socket, direction: 'inbound' | 'outbound') {
    super();
    this.#socket = socket;
    this.direction = direction;
    socket.on('data', data => this.dispatchEvent(Object.assign(new Event('message'), { data })));
    socket.on('drain', () => this.dispatchEvent(new Event('drain')));
    socket.on('close', () => this.dispatchEvent(new Event('close')));
  }

  send(data: { subarray(): Uint8Array }): boolean {
    return this.#socket.write(data.subarray());
  }

  abort(error: Error): void {
    this.#socket.destroy(error);
  }
}

function libp2pSide(socket: Socket, direction: 'inbound' | 'outbound'): Muxer {
  const connection = new SocketConnection(socket, direction) as unknown as MuxerConnection;
  const streamOptions = { maxReadBufferLength: 64 * 1024 * 1024, inactivityTimeout: 600_000 };
  return yamux({ enableKeepAlive: true, keepAliveInterval: 1000, streamOptions })().createStreamMuxer(
    connection,
  );
}

function ourSide(
  socket: Socket,
  role: 'client' | 'server',
  onStream: (s: YamuxStream) => void,
): YamuxSession {
  const session = new YamuxSession({
    role,
    transport: {
      write: bytes => socket.write(bytes),
      get queuedBytes() {
        return socket.writableLength;
      },
    },
    now: () => performance.now(),
    onStream,
    onGoAway: () => {},
    onClose: error => {
      if (error !== null && error.code !== 'session_closed') socket.destroy(error);
    },
  });
  socket.on('data', bytes => session.receive(bytes));
  socket.on('drain', () => session.transportDrained());
  socket.on('close', () => session.transportClosed());
  return session;
}

async function socketPair(t: TestContext): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const near = connect({ port, host: '127.0.0.1', noDelay: true });
  const [far] = (await once(server, 'connection')) as [Socket];
  for (const socket of [near, far]) socket.on('error', () => {});
  t.after(async () => {
    near.destroy();
    far.destroy();
    server.close();
    await once(server, 'close');
  });
  return { near, far };
}

/** Byte `offset` of a stream: streams and places in them are told apart. */
function fill(length: number, seed: number, offset: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 1)
    bytes[i] = (seed * 31 + (offset + i) * 7 + ((offset + i) >>> 11)) & 0xff;
  return bytes;
}

function echo(stream: YamuxStream): void {
  // The other implementation's windows decide the pace, so what they hold back is not consumed.
  let held = 0;
  stream.onData = bytes => {
    held += bytes.length;
    if (!stream.write(bytes)) return;
    stream.consumed(held);
    held = 0;
  };
  stream.onDrain = () => {
    stream.consumed(held);
    held = 0;
  };
  stream.onEnd = () => stream.end();
}

/** Sends `total` bytes on our stream and expects the same ones back. */
function exchange(stream: YamuxStream, total: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let sent = 0;
  let received = 0;
  const send = () => {
    while (sent < total) {
      const bytes = fill(Math.min(50_000, total - sent), stream.id, sent);
      sent += bytes.length;
      if (!stream.write(bytes)) return;
    }
    stream.end();
  };
  stream.onDrain = send;
  stream.onError = reject;
  stream.onData = bytes => {
    if (!bytes.equals(fill(bytes.length, stream.id, received)))
      reject(new Error(`wrong byte on ${stream.id}`));
    received += bytes.length;
    stream.consumed(bytes.length);
  };
  stream.onEnd = () => (received === total ? resolve() : reject(new Error(`${received} of ${total} bytes`)));
  send();
  return promise;
}

async function libp2pEcho(stream: MuxerStream): Promise<void> {
  for await (const chunk of stream) {
    if (!stream.send(chunk)) await stream.onDrain();
  }
  await stream.close();
}

async function libp2pExchange(stream: MuxerStream, seed: number, total: number): Promise<void> {
  const sending = (async () => {
    for (let sent = 0; sent < total; sent += 50_000) {
      if (!stream.send(fill(Math.min(50_000, total - sent), seed, sent))) await stream.onDrain();
    }
    await stream.close();
  })();
  let received = 0;
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk.subarray());
    assert.ok(bytes.equals(fill(bytes.length, seed, received)), `wrong byte on ${seed}`);
    received += bytes.length;
  }
  await sending;
  assert.equal(received, total);
}

const megabyte = 1_000_000;

describe('yamux against @chainsafe/libp2p-yamux', () => {
  for (const role of ['client', 'server'] as const) {
    const otherDirection = role === 'client' ? 'inbound' : 'outbound';

    test(`as ${role}: 100 MB go both ways over streams that we open`, { timeout: 180_000 }, async t => {
      const { near, far } = await socketPair(t);
      const other = libp2pSide(far, otherDirection);
      other.addEventListener('stream', event => void libp2pEcho(event.detail));
      const session = ourSide(near, role, () => assert.fail('nobody opens a stream to us'));

      const small = Array.from({ length: 50 }, () => exchange(session.openStream(), 100_000));
      const large = Array.from({ length: 5 }, () => exchange(session.openStream(), 20 * megabyte));
      await Promise.all([...small, ...large]);

      assert.equal(session.streamCount, 0);
      assert.ok((await session.ping()) > 0);
    });

    test(`as ${role}: 100 MB go both ways over streams that the other side opens`, {
      timeout: 180_000,
    }, async t => {
      const { near, far } = await socketPair(t);
      const session = ourSide(near, role, echo);
      const other = libp2pSide(far, otherDirection);

      const sizes = [...Array(50).fill(100_000), ...Array(5).fill(20 * megabyte)] as number[];
      await Promise.all(
        sizes.map(async (total, index) => libp2pExchange(await other.createStream(), index, total)),
      );

      assert.equal(session.streamCount, 0);
    });

    test(`as ${role}: a reset of either side reaches the other`, { timeout: 60_000 }, async t => {
      const { near, far } = await socketPair(t);
      const session = ourSide(near, role, stream => {
        stream.onData = () => stream.reset();
      });
      const other = libp2pSide(far, otherDirection);
      other.addEventListener('stream', event => {
        event.detail.addEventListener('message', () => {
          event.detail.send(Buffer.from('accepted'));
          event.detail.abort(new Error('enough'));
        });
      });

      const ours = session.openStream();
      const failure = new Promise<Error>(resolve => {
        ours.onError = resolve;
      });
      ours.write(Buffer.from('reset me'));
      assert.equal(((await failure) as Error & { code?: string }).code, 'reset');

      const theirs = await other.createStream();
      const closed = once(theirs, 'close');
      theirs.send(Buffer.from('reset me'));
      await closed;
      assert.equal(theirs.status, 'reset');
    });
  }

  test('its go-away ends what may be opened', { timeout: 60_000 }, async t => {
    const { near, far } = await socketPair(t);
    const session = ourSide(near, 'client', () => {});
    const other = libp2pSide(far, 'inbound');
    await session.ping();

    await other.close();
    while (!session.goingAway) await once(near, 'data');

    assert.throws(() => session.openStream(), { code: 'going_away' });
  });
});
