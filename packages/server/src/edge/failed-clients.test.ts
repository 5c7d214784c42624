import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FailedClients } from './failed-clients.ts';

describe('wrong credentials of an address', () => {
  test('make it wait, longer each time, and are forgotten after the window', () => {
    let now = 0;
    const failures = new FailedClients({ maxFailures: 2, windowMs: 60_000 }, () => now);

    failures.count('a');
    assert.equal(failures.waitSeconds('a'), 0);
    failures.count('a');
    assert.equal(failures.waitSeconds('a'), 30);
    assert.equal(failures.waitSeconds('b'), 0);
    now = 30_000;
    assert.equal(failures.waitSeconds('a'), 0);
    failures.count('a');
    assert.equal(failures.waitSeconds('a'), 60);
    now = 200_000;
    failures.count('a');
    assert.equal(failures.waitSeconds('a'), 0);
  });

  test('of very many addresses are remembered for the newest alone', () => {
    const failures = new FailedClients({ maxFailures: 1, windowMs: 60_000 }, () => 0);

    for (let address = 0; address <= 10_000; address++) failures.count(String(address));

    assert.equal(failures.waitSeconds('0'), 0);
    assert.equal(failures.waitSeconds('10000'), 30);
  });
});
