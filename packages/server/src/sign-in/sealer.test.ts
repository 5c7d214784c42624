import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveKey, Sealer } from './sealer.ts';

const sealer = new Sealer(deriveKey(Buffer.alloc(32, 1), 'a test'));

test('a sealed text comes back, with its context alone', () => {
  const sealed = sealer.seal('state', 'one');

  assert.equal(sealer.unseal(sealed, 'one'), 'state');
  assert.equal(sealer.unseal(sealed, 'two'), null);
  assert.equal(new Sealer(deriveKey(Buffer.alloc(32, 1), 'another')).unseal(sealed, 'one'), null);
});

test('threat C5: a sealed text with any byte changed, cut or added is nothing', () => {
  const bytes = Buffer.from(sealer.seal('state', 'one'), 'base64url');
  const unseal = (changed: Buffer) => sealer.unseal(changed.toString('base64url'), 'one');

  for (let index = 0; index < bytes.length; index++) {
    const changed = Buffer.from(bytes);
    changed[index] ^= 1;
    assert.equal(unseal(changed), null);
    assert.equal(unseal(bytes.subarray(0, index)), null);
  }
  assert.equal(unseal(Buffer.concat([bytes, Buffer.of(0)])), null);
});
