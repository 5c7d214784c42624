import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { initialWindow } from './frame.ts';
import { ReceiveWindow } from './receive-window.ts';
import { WindowBudget } from './window-budget.ts';

const megabyte = 1024 * 1024;

/** Half a window comes and is consumed every `everyMs`. @returns The size after each. */
function sizes(window: ReceiveWindow, roundTripMs: number, everyMs: number, times: number): number[] {
  return Array.from({ length: times }, (_, index) => {
    const half = window.sizeBytes / 2;
    assert.equal(window.receive(half), true);
    window.consume(half, (index + 1) * everyMs, roundTripMs);
    return window.sizeBytes;
  });
}

describe('a receive window', () => {
  test('grows under a sender that paces itself and so sends half of it in a round trip', () => {
    const window = new ReceiveWindow(initialWindow, 32 * megabyte, new WindowBudget(), 0);

    assert.equal(sizes(window, 80, 82, 8).at(-1), 32 * megabyte);
  });

  test('stays where half of it lasts more than two round trips', () => {
    const window = new ReceiveWindow(initialWindow, 32 * megabyte, new WindowBudget(), 0);

    // The first half is measured from the beginning of the stream.
    assert.deepEqual(new Set(sizes(window, 80, 330, 8)), new Set([initialWindow]));
  });

  test('grows faster where the round trip is long', () => {
    const [near, far] = [1, 80].map(roundTripMs => {
      const window = new ReceiveWindow(initialWindow, 32 * megabyte, new WindowBudget(), 0);
      return sizes(window, roundTripMs, roundTripMs, 2);
    });

    assert.deepEqual(near, [2 * initialWindow, 4 * initialWindow]);
    assert.deepEqual(far, [4 * initialWindow, 16 * initialWindow]);
  });

  test('takes no more than the budget has', () => {
    const budget = new WindowBudget(1000);
    const window = new ReceiveWindow(initialWindow, 32 * megabyte, budget, 0);

    assert.equal(window.receive(initialWindow), true);
    const delta = window.consume(initialWindow, 1, 80);
    assert.equal(delta, initialWindow + 1000);
    assert.equal(window.receive(delta), true);
    assert.equal(window.receive(1), false);

    window.release();
    window.release();
    assert.equal(budget.leftBytes, 1000);
  });
});
