import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Heartbeat } from './heartbeat.ts';

test('every function is called once in each period, a few in each turn', t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const heartbeat = new Heartbeat(3_000, 30);
  const calls = Array.from({ length: 100 }, () => 0);
  const ends = calls.map((_, index) => heartbeat.add(() => calls[index]!++));

  t.mock.timers.tick(100);
  const first = calls.filter(count => count === 1).length;
  assert.ok(first >= 3 && first <= 4, `${first} in the first turn`);
  t.mock.timers.tick(2_900);
  assert.deepEqual(new Set(calls), new Set([1]));
  t.mock.timers.tick(6_000);
  assert.deepEqual(new Set(calls), new Set([3]));
  for (const end of ends) end();
});

test('one that has ended is not called again, not even in the turn that ended it', t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const heartbeat = new Heartbeat(1_000, 1);
  const called: string[] = [];
  const endFirst = heartbeat.add(() => {
    called.push('first');
    endFirst();
    endSecond();
  });
  const endSecond = heartbeat.add(() => called.push('second'));
  const endThird = heartbeat.add(() => called.push('third'));

  t.mock.timers.tick(2_000);
  assert.deepEqual(called, ['first', 'third', 'third']);
  endFirst();
  endThird();
});

test('no timer is left when all have ended, and it starts again for the next', t => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const heartbeat = new Heartbeat(1_000, 2);
  let calls = 0;
  heartbeat.add(() => calls++)();
  t.mock.timers.tick(5_000);
  assert.equal(calls, 0);
  const end = heartbeat.add(() => calls++);
  t.mock.timers.tick(1_000);
  assert.equal(calls, 1);
  end();
});
