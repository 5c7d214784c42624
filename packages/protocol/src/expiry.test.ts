import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { daysLeft, dueWarning } from './expiry.ts';

const day = 24 * 3_600_000;
const halfYear = { notBefore: 0, notAfter: 180 * day };

describe('warnings before a trust certificate expires', () => {
  test('are due from 30, 14, 7 and 1 days before, and none earlier', () => {
    const due = [31, 30, 15, 14, 8, 7, 2, 1, 0.01].map(days => dueWarning(halfYear, (180 - days) * day));

    assert.deepEqual(due, [null, 30, 30, 14, 14, 7, 7, 1, 1]);
  });

  test('give way to 0 when it has expired', () => {
    assert.equal(dueWarning(halfYear, 180 * day + 1), 0);
  });

  test('are left out where the day comes before the regular renewal of a short life', () => {
    const month = { notBefore: 0, notAfter: 30 * day };

    assert.equal(dueWarning(month, 1 * day), null);
    assert.equal(dueWarning(month, 17 * day), null);
    assert.equal(dueWarning(month, 24 * day), 7);
  });

  test('count begun days', () => {
    assert.equal(daysLeft(halfYear, 166 * day), 14);
    assert.equal(daysLeft(halfYear, 166 * day + 1), 14);
    assert.equal(daysLeft(halfYear, 179.5 * day), 1);
    assert.equal(daysLeft(halfYear, 180 * day), 0);
    assert.equal(daysLeft(halfYear, 182 * day), -2);
  });
});
