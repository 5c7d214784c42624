import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { ControlDecoder, encodeControlMessage } from '@postern/protocol/tunnel/control-framing';
import { endOfStreamIds, YamuxSession } from '@postern/protocol/yamux/session';
import { WindowBudget } from '@postern/protocol/yamux/window-budget';
import { Tunnel, type TunnelHooks } from './tunnel.ts';

const ignore = () => {};
const now = () => performance.now();

/** Both ends of a connection. */
async function connect(): Promise<{ near: net.Socket; far: net.Socket } & Disposable> {
  const server = net.createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const near = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [net.Socket];
  server.close();
  return {
    near,
    far,
    [Symbol.dispose]() {
      near.destroy();
      far.destroy();
    },
  };
}

test('a tunnel with its last stream id says that it goes away, and what is in flight on it goes on', async () => {
  using connection = await connect();
  const ready = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<string>();
  const hooks: TunnelHooks = {
    ...{ onChange: ignore, onProbe: ignore, onAnchorsKept: ignore, onLeave: ignore },
    ...{ onExpire: ignore, onCut: ignore },
    onReady: () => ready.resolve(),
    onRenew: async () => ({ error: { code: 'unavailable', message: '' } }),
    onClose: (_, reason) => closed.resolve(reason),
  };
  const tunnel = new Tunnel({
    ...{ id: 't', connectorId: 'c', certificateSha256: 'A', nodeId: 'n', externalIp: '127.0.0.1' },
    certificateNotAfter: Number.MAX_SAFE_INTEGER,
    drainMs: 1_000,
    // What a tunnel needs of it, every socket has.
    socket: connection.far as TLSSocket,
    windowBudget: new WindowBudget(),
    firstStreamId: endOfStreamIds - 4,
    hooks,
    now,
    clock: Date.now,
  });
  const heard: { readonly type: string }[] = [];
  const goneAway = Promise.withResolvers<void>();
  const connector = new YamuxSession({
    role: 'client',
    transport: { write: bytes => void connection.near.write(bytes), queuedBytes: 0 },
    now,
    onStream: stream => {
      stream.onData = bytes => void stream.write(bytes);
      stream.onEnd = () => stream.end();
    },
    onGoAway: () => goneAway.resolve(),
    onClose: ignore,
  });
  connection.near.on('data', (bytes: Buffer) => connector.receive(bytes));
  const control = connector.openStream();
  const decoder = new ControlDecoder();
  control.onData = bytes => void heard.push(...decoder.push(bytes));
  control.write(encodeControlMessage({ type: 'hello', version: '1', features: [], machineName: '', os: '' }));
  await ready.promise;

  tunnel.openStream(ignore).reset();
  assert.equal(tunnel.isOpen, true);
  const last = tunnel.openStream(ignore);
  assert.equal(tunnel.isOpen, false);
  const echoed = Promise.withResolvers<string>();
  last.onData = bytes => echoed.resolve(String(bytes));
  last.write(Buffer.from('in flight'));

  assert.equal(await echoed.promise, 'in flight');
  await goneAway.promise;
  assert.deepEqual(
    heard.filter(message => message.type === 'going-away'),
    [{ type: 'going-away', reason: 'exhausted', detail: 'it has no stream id left' }],
  );
  last.end();
  assert.equal(await closed.promise, 'drained');
});
