import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkCapMs, pauseBefore, refusedCapMs } from './backoff.ts';

const almostOne = 0.999_999;

test('the pause grows to its cap and no further', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5, 1000].map(failures => pauseBefore(failures, networkCapMs, 0, almostOne)),
    [500, 1000, 2000, 4000, 4000, 4000],
  );
  assert.equal(pauseBefore(50, refusedCapMs, 0, almostOne), 60_000);
});

test('any pause up to the ceiling is possible, so that many connectors spread', () => {
  assert.equal(pauseBefore(9, networkCapMs, 0, 0), 0);
  assert.equal(pauseBefore(9, networkCapMs, 0, 0.25), 1000);
});

test('attempts begin at most the cap apart, whatever each of them took', () => {
  assert.equal(pauseBefore(9, networkCapMs, 3000, almostOne), 1000);
  assert.equal(pauseBefore(9, networkCapMs, 9000, almostOne), 0);
});
