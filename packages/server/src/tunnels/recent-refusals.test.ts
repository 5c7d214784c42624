import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentRefusals } from './recent-refusals.ts';

test('a refusal is told once a minute, another reason and another connector at once', () => {
  let now = 0;
  const refusals = new RecentRefusals(() => now);
  const isNew = (connectorId: string, reason: string) => refusals.isNew({ connectorId, reason });

  assert.equal(isNew('a', 'expired'), true);
  now = 59_000;
  assert.equal(isNew('a', 'expired'), false);
  assert.equal(isNew('b', 'expired'), true);
  assert.equal(isNew('a', 'revoked'), true);
  now += 60_000;
  assert.equal(isNew('a', 'revoked'), true);
});

test('only so many connectors are remembered, and the oldest is forgotten', () => {
  const refusals = new RecentRefusals(() => 0);
  for (let count = 0; count <= 10_000; count++) {
    refusals.isNew({ connectorId: String(count), reason: 'revoked' });
  }

  assert.equal(refusals.isNew({ connectorId: '10000', reason: 'revoked' }), false);
  assert.equal(refusals.isNew({ connectorId: '0', reason: 'revoked' }), true);
});
