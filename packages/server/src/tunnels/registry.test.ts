import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TunnelRegistry } from './registry.ts';
import type { Tunnel } from './tunnel.ts';

const key = 'http://10.0.0.1:80 true';

/** What choosing looks at, of a tunnel. */
function tunnelOf(connectorId: string, state: Partial<Tunnel> = {}): Tunnel {
  const tunnel = {
    connectorId,
    isOpen: true,
    isQuiet: false,
    queuedBytes: 0,
    outstanding: 0,
    serves: () => true,
    configure: () => undefined,
    ...state,
  };
  return tunnel as unknown as Tunnel;
}

function registryOf(...tunnels: readonly Tunnel[]): TunnelRegistry {
  const registry = new TunnelRegistry({ waitMs: 1_000, maxWaiting: 10, random: () => 0 });
  for (const tunnel of tunnels) registry.add(tunnel, 'group');
  return registry;
}

describe('the tunnel for the next stream', () => {
  const choose = (registry: TunnelRegistry, ...exclude: readonly Tunnel[]) =>
    registry.choose('group', 'app', key, exclude.length === 0 ? null : new Set(exclude));

  test('is the less loaded connector’s, and of its tunnels the one with the shortest queue', () => {
    const busy = tunnelOf('a', { outstanding: 3 });
    const long = tunnelOf('b', { outstanding: 1, queuedBytes: 100_000 });
    const short = tunnelOf('b', { outstanding: 1 });

    assert.equal(choose(registryOf(busy, long, short)), short);
  });

  test('is another one for upgrades than for requests, where both are free', () => {
    const [first, second] = [tunnelOf('a'), tunnelOf('a')];
    const registry = registryOf(first, second);

    assert.equal(registry.choose('group', 'app', key, null, false), first);
    assert.equal(registry.choose('group', 'app', key, null, true), second);
  });

  test('is one that has gone quiet only where there is no other', () => {
    const quiet = tunnelOf('a', { isQuiet: true });
    const sibling = tunnelOf('a', { queuedBytes: 100_000 });
    const other = tunnelOf('b', { outstanding: 5 });

    assert.equal(choose(registryOf(quiet, sibling)), sibling);
    assert.equal(choose(registryOf(quiet, other)), other);
    assert.equal(choose(registryOf(quiet)), quiet);
  });

  test('belongs to another connector than the one that the request has failed on', () => {
    const failed = tunnelOf('a');
    const sibling = tunnelOf('a');
    const other = tunnelOf('b', { outstanding: 5 });

    assert.equal(choose(registryOf(failed, sibling, other), failed), other);
    assert.equal(choose(registryOf(failed, sibling), failed), null);
  });

  test('is nobody’s where none is open or serves the backend', () => {
    const closed = tunnelOf('a', { isOpen: false });
    const elsewhere = tunnelOf('b', { serves: () => false });

    assert.equal(choose(registryOf(closed, elsewhere)), null);
  });
});
