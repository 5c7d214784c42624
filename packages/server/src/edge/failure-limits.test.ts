import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { countAttempt, type FailureCount, isBlocked, isStale } from './failure-limits.ts';

const limit = { maxFailures: 10, windowMs: 15 * 60_000 };

function countTimes(times: number, now: number, known?: FailureCount): FailureCount {
  let count = known;
  for (let index = 0; index < times; index++) count = countAttempt(count, limit, now);
  if (count === undefined) throw new TypeError('count at least once');
  return count;
}

describe('threat D13: counting failures', () => {
  test('nine failures block nothing, the tenth blocks for half a minute', () => {
    assert.equal(isBlocked(countTimes(9, 0), 1), false);

    const tenth = countTimes(10, 0);

    assert.equal(isBlocked(tenth, 29_999), true);
    assert.equal(isBlocked(tenth, 30_000), false);
  });

  test('each further failure doubles the wait, up to the window', () => {
    const waits = [1, 2, 3, 5, 9].map(further => (countTimes(10 + further, 0).blockedUntil ?? 0) / 1_000);

    assert.deepEqual(waits, [60, 120, 240, 900, 900]);
  });

  test('failures of an earlier window count no longer', () => {
    const nine = countTimes(9, 0);

    assert.equal(countAttempt(nine, limit, limit.windowMs).count, 1);
    assert.equal(countAttempt(nine, limit, limit.windowMs - 1).count, 10);
  });

  test('after a wait the count goes on, and is forgotten a window later', () => {
    const blocked = countTimes(12, 0);
    const until = blocked.blockedUntil ?? 0;

    assert.equal(isStale(blocked, limit.windowMs, until + limit.windowMs - 1), false);
    assert.equal(isStale(blocked, limit.windowMs, until + limit.windowMs), true);
  });
});
