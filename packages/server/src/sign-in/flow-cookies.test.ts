import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasFlowCookie, surplusFlowCookies } from './flow-cookies.ts';

test('only the cookie of that very sign-in counts', () => {
  const field = 'a=b; __Host-postern-flow-abc=1700000000000';

  assert.equal(hasFlowCookie(field, 'abc'), true);
  assert.equal(hasFlowCookie(field, 'ab'), false);
  assert.equal(hasFlowCookie('__Secure-postern-flow-abc=1', 'abc'), false);
  assert.equal(hasFlowCookie(undefined, 'abc'), false);
});

test('with eight sign-ins begun, the oldest makes room for the next', () => {
  const field = Array.from(
    { length: 8 },
    (_, index) => `__Host-postern-flow-f${index}=${1_000 + index}`,
  ).join('; ');

  assert.deepEqual(surplusFlowCookies(field), ['__Host-postern-flow-f0']);
});
