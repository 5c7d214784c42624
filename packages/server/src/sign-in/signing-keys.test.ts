import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rotate, rotationTimes, signingKeyAt } from './signing-keys.ts';

const { signsForMs, publishedAheadMs, keptAfterMs } = rotationTimes;

describe('rotation of signing keys', () => {
  test('the first key signs at once', async () => {
    const keys = await rotate([], 1_000);

    assert.equal(keys.length, 1);
    assert.equal(signingKeyAt(keys, 1_000), keys[0]);
  });

  test('a new key is published before it signs, and the old one stays until its tokens have expired', async () => {
    const [first] = await rotate([], 0);
    const due = signsForMs - publishedAheadMs;

    assert.deepEqual(await rotate([first], due - 1), [first]);
    const both = await rotate([first], due);
    const switchesAt = due + publishedAheadMs;

    assert.equal(both.length, 2);
    assert.equal(signingKeyAt(both, switchesAt - 1), first);
    assert.equal(signingKeyAt(both, switchesAt), both[1]);
    assert.equal((await rotate(both, switchesAt + keptAfterMs - 1)).length, 2);
    assert.deepEqual(await rotate(both, switchesAt + keptAfterMs), [both[1]]);
  });

  test('asked again, it changes nothing', async () => {
    const keys = await rotate([], 0);

    assert.deepEqual(await rotate(keys, 1), keys);
  });

  test('after years without a start, a new key is published first and the old one signs until then', async () => {
    const [old] = await rotate([], 0);
    const later = 3 * signsForMs;

    const keys = await rotate([old], later);

    assert.equal(signingKeyAt(keys, later), old);
    assert.equal(signingKeyAt(keys, later + publishedAheadMs), keys[1]);
  });

  test('a clock that went back finds a key all the same', async () => {
    const keys = await rotate([], 1_000_000);

    assert.equal(signingKeyAt(keys, 0), keys[0]);
  });
});
