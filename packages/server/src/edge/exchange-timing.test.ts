import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ExchangeTiming, hopTimes, serverTiming } from './exchange-timing.ts';

function timingOf(opened: { dnsMs?: number; connectMs?: number; tlsMs?: number } | null): ExchangeTiming {
  const timing = new ExchangeTiming(false);
  timing.beganAt = 101;
  timing.sent(103, 'c1', null);
  if (opened !== null) timing.open(120, opened);
  timing.firstByteAt = 150;
  return timing;
}

describe('how long each hop took', () => {
  test('the tunnel is what the connector did not need for itself', () => {
    assert.deepEqual(hopTimes(timingOf({ dnsMs: 2, connectMs: 3, tlsMs: 4 }), 100), {
      edge: 1,
      queue: 2,
      tunnel: 8,
      dns: 2,
      connect: 3,
      tls: 4,
      backend: 30,
    });
  });

  test('what a connector does not say is not made up', () => {
    const times = hopTimes(timingOf({}), 100);

    assert.deepEqual([times.tunnel, times.dns, times.connect], [null, null, null]);
    assert.equal(times.backend, 30);
  });

  test('another attempt counts as waiting', () => {
    const timing = timingOf({ dnsMs: 0, connectMs: 1 });
    timing.firstByteAt = 0;
    timing.sent(200, 'c2', null);

    const times = hopTimes(timing, 100);

    assert.equal(times.queue, 99);
    assert.deepEqual([times.tunnel, times.backend], [null, null]);
  });

  test('as Server-Timing, with what a connection that was open already leaves out', () => {
    assert.equal(
      serverTiming(timingOf({ dnsMs: 2, connectMs: 3, tlsMs: 4 }), 100),
      'edge;dur=1, queue;dur=2, tunnel;dur=8, connect;dur=9;desc="DNS 2, TCP 3, TLS 4", backend;dur=30',
    );
    assert.equal(
      serverTiming(timingOf(null), 100),
      'edge;dur=1, queue;dur=2, backend;dur=47;desc="with the tunnel: the connection was open already"',
    );
  });
});
