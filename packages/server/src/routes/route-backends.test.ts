import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applicationRecord } from './record-for-tests.ts';
import { type Reach, RouteBackends, type WeighedBackend } from './route-backends.ts';
import { RouteTable } from './route-table.ts';

type Further = Partial<Pick<WeighedBackend, 'weight' | 'isBackup'>>;

/** Backends http://b0, the internal URL, http://b1 and so on. */
function backendsOf(internalUrlWeight: number, ...further: readonly Further[]): RouteBackends {
  return RouteBackends.of(
    applicationRecord('app', 'https://app.example.com/', 'http://b0/', {
      backends: {
        internalUrlWeight,
        further: further.map((one, at) => ({
          origin: `http://b${at + 1}`,
          weight: 1,
          isBackup: false,
          ...one,
        })),
      },
    }),
  )!;
}

const name = (backend: WeighedBackend | null) => backend?.origin.slice('http://'.length) ?? null;

/** The names of those that `count` requests get; each is over before the next. */
function turns(
  backends: RouteBackends,
  count: number,
  reach: Readonly<Record<string, Reach>> = {},
): (string | null)[] {
  return Array.from({ length: count }, () =>
    name(backends.choose(one => reach[name(one)!] ?? 3, null, false, null)),
  );
}

describe('the backend for the next request', () => {
  test('is each in its turn, by weights, and evenly over time', () => {
    assert.equal(turns(backendsOf(1, {}, {}), 6).join(' '), 'b0 b1 b2 b0 b1 b2');
    assert.equal(turns(backendsOf(5, {}, {}), 7).join(' '), 'b0 b0 b1 b0 b2 b0 b0');
    const many = turns(backendsOf(70, { weight: 20 }, { weight: 10 }), 1_000);
    for (const [one, share] of [
      ['b0', 700],
      ['b1', 200],
      ['b2', 100],
    ] as const) {
      assert.equal(many.filter(backend => backend === one).length, share);
    }
  });

  test('is of equal weights the one with the fewest requests, and no other share changes', () => {
    const backends = backendsOf(2, { weight: 1 }, { weight: 1 });
    backends.all[1]!.outstanding = 3;

    assert.equal(turns(backends, 8).join(' '), 'b0 b2 b2 b0 b0 b2 b2 b0');
  });

  test('is a backup only while no other is well, and a backend that nobody reached lately comes last', () => {
    const backends = backendsOf(1, {}, { isBackup: true });

    assert.equal(new Set(turns(backends, 10)).has('b2'), false);
    assert.deepEqual(new Set(turns(backends, 10, { b0: 1 })), new Set(['b1']));
    assert.deepEqual(new Set(turns(backends, 10, { b0: 1, b1: 1 })), new Set(['b2']));
    assert.deepEqual(new Set(turns(backends, 10, { b0: 1, b1: 1, b2: 1 })), new Set(['b0', 'b1']));
    assert.deepEqual(turns(backends, 1, { b0: 0, b1: 0, b2: 0 }), [null]);
  });

  test('is another one than those that the request has failed on', () => {
    const backends = backendsOf(1, {}, { isBackup: true });
    const [b0, b1, b2] = backends.all;
    const after = (failed: readonly WeighedBackend[], mayReturn: boolean, reach: Reach) =>
      name(backends.choose(() => reach, new Set(failed), mayReturn, null));

    assert.equal(after([b0!], true, 3), 'b1');
    assert.equal(after([b0!], true, 2), 'b1');
    assert.equal(after([b0!, b1!], false, 3), 'b2');
    // Once more through another connector, before people are sent to the backup.
    assert.notEqual(after([b0!, b1!], true, 3), 'b2');
    assert.equal(after([b0!, b1!], true, 2), 'b2');
    assert.notEqual(after([b0!, b1!, b2!], false, 1), null);
  });
});

describe('a client that is to stay with one backend', () => {
  const clients = Array.from({ length: 2_000 }, (_, at) => `client-${at}`);
  const placesIn = (backends: RouteBackends, reach: Readonly<Record<string, Reach>> = {}) =>
    clients.map(client => name(backends.choose(one => reach[name(one)!] ?? 3, null, false, client)));

  test('does, and clients spread by the weights', () => {
    const backends = backendsOf(1, { weight: 3 });
    const places = placesIn(backends);

    assert.deepEqual(placesIn(backends), places);
    const share = places.filter(place => place === 'b1').length / clients.length;
    assert.ok(share > 0.7 && share < 0.8, `${share}`);
  });

  test('moves only when its own backend fails', () => {
    const before = placesIn(backendsOf(1, {}, {}));
    const after = placesIn(backendsOf(1, {}, {}), { b1: 1 });

    assert.ok(after.every((place, at) => before[at] === 'b1' || before[at] === place));
    assert.ok(!after.includes('b1'));
  });
});

test('addresses of every backend are turned outwards, those of internal URLs of others first', () => {
  const backends = {
    internalUrlWeight: 1,
    further: [
      { origin: 'http://two', weight: 1, isBackup: false },
      { origin: 'http://other', weight: 1, isBackup: true },
    ],
  };
  const table = new RouteTable(
    [
      applicationRecord('app', 'https://app.example.com/', 'http://one/', { backends }),
      applicationRecord('other', 'https://other.example.com/', 'http://other/'),
    ],
    { domain: 'example.com', portSuffix: '' },
  );
  const own = table.findHost('app.example.com')!.only!;

  const outside = (origin: string) => table.links.findInside(origin, '/x', 0, own)?.externalOrigin;
  assert.equal(outside('http://one'), 'https://app.example.com');
  assert.equal(outside('http://two'), 'https://app.example.com');
  assert.equal(outside('http://other'), 'https://other.example.com');
  assert.equal(table.findHost('other.example.com')!.only!.backends, null);
});
