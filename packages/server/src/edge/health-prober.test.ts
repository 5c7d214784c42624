import assert from 'node:assert/strict';
import { beforeEach, describe, type TestContext, test } from 'node:test';
import { backendDefaults } from '@postern/protocol/admin/publishing-backends';
import type { ApplicationRecord } from '../feed/messages.ts';
import { applicationRecord } from '../routes/record-for-tests.ts';
import { RouteTable } from '../routes/route-table.ts';
import { TunnelRegistry } from '../tunnels/registry.ts';
import type { Tunnel } from '../tunnels/tunnel.ts';
import type { BackendCarrier, Exchange } from './exchange.ts';
import { EdgeError } from './failure.ts';
import { type HealthChange, HealthProber } from './health-prober.ts';

const tickMs = 250;
/** Milliseconds. */
let clock = 0;
let changes: HealthChange[] = [];
/** What was learnt of the way to applications. */
let learnt: (string | null)[] = [];
/** Exchanges whose probes wait for their answer, and of which backend. */
let asked: { readonly exchange: Exchange; readonly pool: string }[] = [];

beforeEach(() => {
  clock = 1_000_000;
  changes = [];
  learnt = [];
  asked = [];
});

const probe = { ...backendDefaults.healthProbe, isEnabled: true, unhealthyAfter: 2, healthyAfter: 2 };

function application(id: string, more: Partial<ApplicationRecord> = {}): ApplicationRecord {
  const { healthProbe = probe, ...rest } = more;
  return applicationRecord(id, `https://${id}.example.com/`, `http://${id}/`, { healthProbe, ...rest });
}

/** A prober whose connectors answer nothing by themselves. */
function open(t: TestContext, connectors: readonly string[] = ['a']) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const now = () => clock;
  const registry = new TunnelRegistry({ waitMs: 1, maxWaiting: 1, random: Math.random, now });
  for (const connectorId of connectors) {
    const tunnel = { connectorId, isOpen: true, queuedBytes: 0, outstanding: 0, serves: () => true };
    const silent = { ...tunnel, configure: () => undefined } as unknown as Tunnel;
    registry.add(silent, { groupId: 'default', draining: false });
  }
  const carrier = { attach: () => undefined, write: () => true, destroy: () => undefined, offset: 0 };
  const prober = new HealthProber({
    registry,
    backends: {
      connectThrough: (_tunnel, exchange, { pool }) => {
        asked.push({ exchange, pool });
        return carrier as unknown as BackendCarrier;
      },
    },
    nextRequestId: () => 'id',
    random: Math.random,
    now,
    onChange: change => changes.push(change),
    onOutcome: (_applicationId, failure) => learnt.push(failure?.code ?? null),
  });
  t.after(() => prober.stop());
  const publish = (...applications: readonly ApplicationRecord[]) => {
    const table = new RouteTable(applications, { domain: 'example.com', portSuffix: '' });
    prober.update(table.probed());
    return table;
  };
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += tickMs) {
      clock += tickMs;
      t.mock.timers.tick(tickMs);
    }
  };
  return { prober, registry, publish, pass };
}

/** Every probe that waits gets its answer, of status 200 or another, or none. */
function settle(outcome: EdgeError | number | null): void {
  for (const { exchange } of asked.splice(0)) {
    if (outcome instanceof EdgeError) exchange.sink.onFailure(outcome);
    else {
      exchange.sink.onResponse({ status: outcome ?? 200 } as never);
      exchange.sink.onResponseEnd(Buffer.alloc(0));
    }
  }
}

describe('probes of many applications', () => {
  test('do not come at one moment, neither at first nor later', t => {
    const { publish, pass } = open(t);
    publish(...Array.from({ length: 10_000 }, (_, at) => application(`app-${at}`)));
    const counts: number[] = [];
    const seen = new Set<string>();
    for (let passed = 0; passed < 60_000; passed += tickMs) {
      pass(tickMs);
      let count = 0;
      // Each answer lets the next that waits begin.
      while (asked.length > 0) {
        count += asked.length;
        for (const { pool } of asked) seen.add(pool);
        settle(null);
      }
      counts.push(count);
    }

    // 250 on average.
    assert.equal(seen.size, 10_000);
    assert.ok(Math.max(...counts) < 400, `${Math.max(...counts)}`);
    assert.ok(Math.min(...counts.slice(1)) > 120, `${Math.min(...counts.slice(1))}`);
  });

  test('wait for each other: some hundred are under way at a time, and silent ones end', t => {
    const { publish, pass } = open(t);
    publish(...Array.from({ length: 2_000 }, (_, at) => application(`app-${at}`)));

    pass(4_000);
    assert.equal(asked.length, 256);
    pass(10_000);
    assert.ok(asked.length > 512 && asked.length < 1_024, `${asked.length}`);
  });
});

describe('what probes find', () => {
  const refused = new EdgeError('backend_refused', 'connect ECONNREFUSED');
  const round = (opened: { pass(ms: number): void }, failure: EdgeError | null) => {
    while (asked.length === 0) opened.pass(tickMs);
    const pools = asked.map(({ pool }) => pool).sort();
    settle(failure);
    return pools;
  };

  test('counts after so many in a row, and the first word at once', t => {
    const opened = open(t);
    const table = opened.publish(application('app'));
    const route = [...table.probed()];
    const state = () => opened.prober.report(route)[0]!.state;
    const isWell = () => opened.registry.health.isWell('a', 'app');

    assert.equal(state(), 'unknown');
    round(opened, null);
    assert.equal(state(), 'healthy');
    round(opened, refused);
    assert.equal(state(), 'healthy');
    round(opened, refused);
    assert.equal(state(), 'unhealthy');
    assert.equal(isWell(), false);
    const [report] = opened.prober.report(route);
    assert.equal(report!.lastFailure!.code, 'backend_refused');
    assert.equal(report!.lastFailure!.hop, 'backend');
    round(opened, null);
    assert.equal(isWell(), false);
    round(opened, refused);
    round(opened, null);
    assert.equal(isWell(), false);
    round(opened, null);
    assert.equal(isWell(), true);
    assert.equal(state(), 'healthy');

    assert.deepEqual(
      changes.map(({ connectorId, origin, failure }) => [connectorId, origin, failure?.code ?? null]),
      [
        ['a', 'http://app', 'backend_refused'],
        ['a', 'http://app', null],
      ],
    );
  });

  test('is what becomes of requests to the application: well while anything answers', t => {
    const opened = open(t, ['a', 'b']);
    opened.publish(application('app', { healthProbe: { ...probe, unhealthyAfter: 1, healthyAfter: 1 } }));
    const settleThrough = (outcomes: readonly (EdgeError | number | null)[]) => {
      while (asked.length < 2) opened.pass(tickMs);
      const both = asked;
      for (const [at, outcome] of outcomes.entries()) {
        asked = [both[at]!];
        settle(outcome);
      }
      return learnt.splice(0);
    };

    assert.deepEqual(settleThrough([null, null]), [null, null]);
    assert.deepEqual(settleThrough([null, refused]), [null]);
    assert.deepEqual(settleThrough([refused, refused]), ['backend_refused', 'backend_refused']);
    assert.deepEqual(settleThrough([null, refused]), [null]);
    assert.deepEqual(settleThrough([null, 500]), [null, null]);
    assert.deepEqual(settleThrough([refused, 500]), [null]);
  });

  test('is each backend’s through each connector, and is forgotten with the setting', t => {
    const opened = open(t, ['a', 'b']);
    const backends = {
      internalUrlWeight: 1,
      further: [{ origin: 'http://two', weight: 1, isBackup: true }],
    };
    opened.publish(application('app', { backends }));

    assert.deepEqual(round(opened, refused), ['app', 'app', 'app http://two', 'app http://two']);
    round(opened, refused);
    assert.equal(opened.registry.health.ailing, 4);

    opened.publish(applicationRecord('app', 'https://app.example.com/', 'http://app/', { backends }));
    assert.equal(opened.registry.health.ailing, 0);
    opened.pass(30_000);
    assert.equal(asked.length, 0);
  });

  test('of a probe without an answer is that there was none', t => {
    const opened = open(t);
    const table = opened.publish(application('app', { healthProbe: { ...probe, unhealthyAfter: 1 } }));

    opened.pass(20_000);

    const [report] = opened.prober.report(table.probed());
    assert.equal(report!.state, 'unhealthy');
    assert.equal(report!.lastFailure!.code, 'no_answer_in_time');
  });
});
