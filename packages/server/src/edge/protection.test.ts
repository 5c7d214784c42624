import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitDefaults } from '@postern/protocol/admin/publishing-limits';
import { applicationRecord } from '../routes/record-for-tests.ts';
import { type Route, RouteTable } from '../routes/route-table.ts';
import { Protection } from './protection.ts';

function routeWith(limits: Partial<typeof limitDefaults.limits>): Route {
  const wiki = applicationRecord('wiki', 'https://wiki.example.com/', 'http://wiki/', {
    limits: { ...limitDefaults.limits, ...limits },
  });
  return new RouteTable([wiki], { domain: 'example.com', portSuffix: '' }).findHost('wiki.example.com')!
    .only!;
}

test('what an application refuses everybody costs no client its own rate', () => {
  let now = 0;
  const protection = new Protection({
    maxRequestsPerMinutePerClient: 0,
    maxOpenRequestsPerClient: 0,
    maxOpenUpgradesPerClient: 0,
    maxOpenUpgrades: 0,
    networks: null,
    now: () => now,
  });
  const route = routeWith({ requestsPerMinute: 60, requestsPerMinutePerClient: 10 });
  const patient = protection.clientAt('192.0.2.1');
  for (let other = 1; other <= 6; other++) {
    const client = protection.clientAt(`198.51.100.${other}`);
    for (let count = 0; count < 10; count++) assert.ok('client' in protection.claim(route, client, false));
  }

  for (let count = 0; count < 10; count++) {
    const refusal = protection.claim(route, patient, false);
    assert.deepEqual(refusal, { code: 'application_busy', retryAfterSeconds: 1 });
  }
  now = 1_000;

  assert.ok('client' in protection.claim(route, patient, false), 'after the second that was asked for');
});
