import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type StreamPurpose, TunnelRegistry } from './registry.ts';
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
  const registry = new TunnelRegistry({ waitMs: 1_000, maxWaiting: 10, random: () => 0, now: () => clock });
  for (const tunnel of tunnels) registry.add(tunnel, { groupId: 'group', draining: false });
  return registry;
}

/** Milliseconds. */
let clock = 0;

const purpose: StreamPurpose = {
  groupId: 'group',
  backendId: 'app',
  backendKey: key,
  pool: 'app',
  failedOn: null,
  isUpgrade: false,
  client: null,
};

describe('the tunnel for the next stream', () => {
  const choose = (registry: TunnelRegistry, ...exclude: readonly Tunnel[]) =>
    registry.choose({ ...purpose, failedOn: exclude.length === 0 ? null : new Set(exclude) });

  test('is the less loaded connector’s, and of its tunnels the one with the shortest queue', () => {
    const busy = tunnelOf('a', { outstanding: 3 });
    const long = tunnelOf('b', { outstanding: 1, queuedBytes: 100_000 });
    const short = tunnelOf('b', { outstanding: 1 });

    assert.equal(choose(registryOf(busy, long, short)), short);
  });

  test('is another one for upgrades than for requests, where both are free', () => {
    const [first, second] = [tunnelOf('a'), tunnelOf('a')];
    const registry = registryOf(first, second);

    assert.equal(registry.choose(purpose), first);
    assert.equal(registry.choose({ ...purpose, isUpgrade: true }), second);
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

describe('a connector that could not reach a backend', () => {
  const [a, b] = [tunnelOf('a'), tunnelOf('b', { outstanding: 5 })];

  test('is passed over for that backend, and for longer each time', () => {
    const registry = registryOf(a, b);
    for (const restMs of [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      assert.equal(registry.choose(purpose), a);
      registry.health.failed('a', 'app');
      // What was on its way at the same time is the same failure.
      registry.health.failed('a', 'app');
      clock += restMs - 1;
      assert.equal(registry.choose(purpose), b);
      assert.equal(registry.choose({ ...purpose, backendId: 'other', pool: 'other' }), a);
      clock += 1;
    }
  });

  test('is passed over for that host of a wildcard, and for no other', () => {
    const registry = registryOf(a, b);
    registry.health.failed('a', 'app wiki.corp.example');

    assert.equal(registry.choose({ ...purpose, pool: 'app wiki.corp.example' }), b);
    assert.equal(registry.choose({ ...purpose, pool: 'app mail.corp.example' }), a);
  });

  test('takes no memory without end, whatever hosts are asked for', () => {
    const { health } = registryOf(a, b);
    for (let host = 0; host < 20_000; host++) health.failed('a', `app ${host}.corp.example`);

    assert.equal(health.ailing, 10_000);
    assert.equal(health.isWell('a', 'app 0.corp.example'), true);
    assert.equal(health.isWell('a', 'app 19999.corp.example'), false);
  });

  test('is like the others once it has reached it', () => {
    const registry = registryOf(a, b);
    registry.health.failed('a', 'app');
    registry.health.reached('a', 'app');
    assert.equal(registry.choose(purpose), a);
    assert.equal(registry.health.ailing, 0);
  });

  test('is taken where nobody else can serve', () => {
    const registry = registryOf(a, b);
    registry.health.failed('a', 'app');
    registry.health.failed('b', 'app');
    assert.equal(registry.health.ailing, 2);
    assert.equal(registry.choose(purpose), a);
    assert.equal(registryOf(a).choose(purpose), a);
  });

  test('is not found again by chance while a third is well', () => {
    const third = tunnelOf('c', { outstanding: 9 });
    const registry = registryOf(a, b, third);
    registry.health.failed('a', 'app');
    registry.health.failed('b', 'app');
    assert.equal(registry.choose(purpose), third);
  });
});

describe('a client that is to stay with one connector', () => {
  const tunnels = ['a', 'b', 'c', 'd'].map(id => tunnelOf(id));
  const clients = Array.from({ length: 400 }, (_, at) => `client-${at}`);
  const placesIn = (registry: TunnelRegistry) =>
    clients.map(client => registry.choose({ ...purpose, client })?.connectorId);

  test('does, however busy that one is, and clients spread evenly', () => {
    const before = placesIn(registryOf(...tunnels));
    const busy = tunnels.map((tunnel, at) => tunnelOf(tunnel.connectorId, { outstanding: at * 10 }));

    assert.deepEqual(placesIn(registryOf(...busy.reverse())), before);
    for (const id of ['a', 'b', 'c', 'd']) {
      const share = before.filter(place => place === id).length;
      assert.ok(share > 60 && share < 140, `${id} has ${share} of 400`);
    }
  });

  test('moves only when its own connector goes, is drained or fails, and then evenly', () => {
    const before = placesIn(registryOf(...tunnels));
    const drained = registryOf(...tunnels.slice(1));
    drained.add(tunnels[0]!, { groupId: 'group', draining: true });
    const failing = registryOf(...tunnels);
    failing.health.failed('a', 'app');

    for (const after of [placesIn(registryOf(...tunnels.slice(1))), placesIn(drained), placesIn(failing)]) {
      const moved = after.filter((_, at) => before[at] === 'a');
      assert.ok(after.every((place, at) => before[at] === 'a' || before[at] === place));
      for (const id of ['b', 'c', 'd']) assert.ok(moved.filter(place => place === id).length > 10);
    }
  });
});

describe('a drained connector', () => {
  const record = (draining: boolean) =>
    new Map([
      [
        'a',
        {
          id: 'a',
          machineName: 'a',
          groupId: 'group',
          certificates: [{ sha256: 'A', revoked: false }],
          revoked: false,
          draining,
        },
      ],
    ]);

  test('gets nothing, even if it is the only one, and wakes who waits when it is resumed', async () => {
    const tunnel = tunnelOf('a', { certificateSha256: 'A' });
    const registry = registryOf(tunnel);

    registry.update(record(true), new Map());
    assert.equal(registry.choose(purpose), null);
    const waiting = registry.wait('group', 'app', key, new AbortController().signal);
    registry.update(record(false), new Map());

    assert.equal(await waiting, 'try');
    assert.equal(registry.choose(purpose), tunnel);
  });
});

describe('connectors of a region', () => {
  const record = (id: string, region?: string) => ({
    id,
    machineName: id,
    groupId: 'group',
    certificates: [{ sha256: id, revoked: false }],
    revoked: false,
    draining: false,
    ...(region !== undefined && { region }),
  });
  const tunnels = ['a', 'b', 'c'].map(id => tunnelOf(id, { certificateSha256: id }));
  const [a, , c] = tunnels as [Tunnel, Tunnel, Tunnel];

  function registryIn(own: string | undefined, groupRegion: string | undefined, ...regions: string[]) {
    const registry = new TunnelRegistry({
      waitMs: 1_000,
      maxWaiting: 10,
      random: Math.random,
      now: () => clock,
      ...(own !== undefined && { region: own }),
    });
    const records = tunnels.map((tunnel, at) => record(tunnel.connectorId, regions[at]));
    for (const [at, tunnel] of tunnels.entries()) registry.add(tunnel, records[at]!);
    const groups = new Map([
      ['group', { id: 'group', name: 'Group', ...(groupRegion !== undefined && { region: groupRegion }) }],
    ]);
    registry.update(new Map(records.map(one => [one.id, one])), new Map(), groups);
    return registry;
  }

  const taken = (registry: TunnelRegistry, more: Partial<StreamPurpose> = {}) =>
    [
      ...new Set(
        Array.from({ length: 60 }, () => registry.choose({ ...purpose, ...more })?.connectorId ?? 'none'),
      ),
    ].sort();

  test('are preferred where it is that of their group, or else that of the node', () => {
    assert.deepEqual(taken(registryIn(undefined, 'north', 'north', 'south', 'north')), ['a', 'c']);
    assert.deepEqual(taken(registryIn('south', undefined, 'north', 'south', 'north')), ['b']);
    assert.deepEqual(taken(registryIn('south', 'north', 'north', 'south', 'south')), ['a']);
  });

  test('are like all others where nobody, or nobody of that region, is there', () => {
    assert.deepEqual(taken(registryIn(undefined, undefined, 'north', 'south', 'south')), ['a', 'b', 'c']);
    assert.deepEqual(taken(registryIn('east', undefined, 'north', 'south', 'south')), ['a', 'b', 'c']);
    assert.deepEqual(taken(registryIn('north', undefined)), ['a', 'b', 'c']);
  });

  test('are left for others only while none of them can serve this backend', () => {
    const registry = registryIn('north', undefined, 'north', 'south', 'north');
    registry.health.failed('a', 'app');
    assert.deepEqual(taken(registry), ['c']);
    registry.health.failed('c', 'app');
    assert.deepEqual(taken(registry), ['b']);
    assert.deepEqual(taken(registry, { pool: 'other' }), ['a', 'c']);

    clock += 2_000;
    assert.deepEqual(taken(registry), ['a', 'c']);
    assert.deepEqual(taken(registry, { failedOn: new Set([a, c]) }), ['b']);
    registry.remove(c);
    registry.remove(a);
    assert.deepEqual(taken(registry), ['b']);
  });

  test('keep their clients, and give them back', () => {
    const registry = registryIn('north', undefined, 'north', 'south', 'north');
    const own = taken(registry, { client: 'ada' });

    assert.equal(own.length, 1);
    assert.notEqual(own[0], 'b');
  });
});
