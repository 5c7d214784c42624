import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Outbound } from '@postern/outbound/outbound';
import { encodePreamble } from '@postern/protocol/tunnel/preamble';
import { settle, WiredSession } from '@postern/protocol/yamux/wired-sessions';
import { TestBackend } from '../testing/test-backend.ts';
import { ServiceStream } from '../testing/test-service.ts';
import { AllowList } from './allow-list.ts';
import { ServedStream, type ServeParts } from './serve-stream.ts';

/** A window: with the open answer before it, a little of it has to wait. */
const longBytes = 256 * 1024;

/** A stream to a backend, whose service reads nothing and whose clock is in the test's hands. */
async function serve(t: TestContext, backend: TestBackend) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const isOver = Promise.withResolvers<void>();
  const reports: string[] = [];
  const parts: ServeParts = {
    findBackend: () => backend.configuration('a'),
    allow: new AllowList(),
    backendOutbound: new Outbound(),
    connectTimeoutMs: 10_000,
    report: (_, reason) => void reports.push(reason),
    onOpened: () => {},
    onOver: () => isOver.resolve(),
    sessionLog: null,
    now: () => performance.now(),
  };
  const connector = new WiredSession('client', { onStream: one => void new ServedStream(one, parts) });
  const service = new WiredSession('server');
  const stream = new ServiceStream(service.session.openStream());
  stream.isReading = false;
  stream.stream.write(encodePreamble({ applicationId: 'a', requestId: 'r-1' }));
  return {
    stream,
    reports,
    /** Carries what there is between the two until a promise is settled. */
    async carryUntil(done: Promise<unknown>): Promise<void> {
      let isDone = false;
      void done.then(() => {
        isDone = true;
      });
      while (!isDone) {
        settle(connector, service);
        await nextTurn();
      }
      settle(connector, service);
    },
    isOver: isOver.promise,
  };
}

describe('what a backend has sent before it went reaches a service whose client pauses for minutes', () => {
  const ways: readonly [
    title: string,
    reason: string,
    leave: (socket: Socket) => void,
    end: string | null,
  ][] = [
    ['and ended its connection', 'backend_closed', socket => void socket.end(), null],
    ['and reset its connection', 'backend_reset', socket => void socket.resetAndDestroy(), 'reset'],
  ];
  for (const [title, reason, leave, end] of ways) {
    test(title, async t => {
      await using backend = await TestBackend.start(socket => void socket.write(Buffer.alloc(longBytes, 1)));
      const { stream, reports, carryUntil, isOver } = await serve(t, backend);
      await carryUntil(stream.receive(longBytes - 100));
      leave(backend.sockets[0]!);
      await carryUntil(isOver);

      for (let seconds = 0; seconds < 300; seconds++) t.mock.timers.tick(1_000);
      stream.resume();
      await carryUntil(Promise.race([stream.receive(longBytes), stream.over]));

      assert.equal(stream.receivedBytes, longBytes);
      assert.deepEqual(reports, [reason]);
      // Nor does it wait for ever for a service that never ends its side.
      for (let seconds = 0; seconds < 60; seconds++) t.mock.timers.tick(1_000);
      await carryUntil(stream.over);
      assert.equal(stream.stream.isClosed, true);
      assert.equal(await stream.over, end);
    });
  }
});
