import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientAddress } from './client-address.ts';

test('the address of a request is the first that the relay says', () => {
  assert.equal(clientAddress(undefined), '');
  assert.equal(clientAddress('192.0.2.1, 198.51.100.2'), '192.0.2.1');
});
