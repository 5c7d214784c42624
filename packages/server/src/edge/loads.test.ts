import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Load, LoadTable } from './loads.ts';

describe('a rate', () => {
  for (const perMinute of [1, 7, 60, 100_000]) {
    test(`of ${perMinute} a minute lets that many come at once, and then one after the other`, () => {
      const load = new Load();
      for (let index = 0; index < perMinute; index++) assert.equal(load.take(perMinute, 1_000), 0);

      const waitMs = load.take(perMinute, 1_000);

      assert.ok(Math.abs(waitMs - 60_000 / perMinute) < 0.01, `${waitMs} ms`);
      assert.equal(load.take(perMinute, 1_000 + waitMs), 0);
      assert.notEqual(load.take(perMinute, 1_000 + waitMs), 0);
    });
  }

  test('what was refused costs nothing, and a quiet minute fills the bucket', () => {
    const load = new Load();
    for (let index = 0; index < 10; index++) load.take(10, 0);
    for (let index = 0; index < 1_000; index++) assert.notEqual(load.take(10, 100), 0);

    for (let index = 0; index < 10; index++) assert.equal(load.take(10, 60_000), 0);
    assert.notEqual(load.take(10, 60_000), 0);
  });

  test('0 is no limit', () => {
    const load = new Load();
    for (let index = 0; index < 10_000; index++) assert.equal(load.take(0, 0), 0);
  });
});

describe('many clients', () => {
  test('have one load each, as long as there is room', () => {
    const table = new LoadTable(10);

    assert.equal(table.get('a', 0), table.get('a', 0));
    assert.notEqual(table.get('a', 0), table.get('b', 0));
  });

  test('a million addresses take the memory of so many as are kept', () => {
    const table = new LoadTable(1_000);
    for (let index = 0; index < 1_000_000; index++) table.get(`address ${index}`, 0).take(1, 0);

    assert.equal(table.size, 1_000);
  });

  test('who has something under way is not forgotten, and still counted', () => {
    const table = new LoadTable(3);
    const busy = table.get('busy', 0);
    busy.open = 1;
    for (let index = 0; index < 100; index++) table.get(`address ${index}`, 0).take(1, 0);

    assert.equal(table.get('busy', 0), busy);
    assert.equal(busy.isDropped, false);
  });

  test('where all are in use, newcomers share one', () => {
    const table = new LoadTable(2);
    table.get('a', 0).open = 1;
    table.get('b', 0).open = 1;

    assert.equal(table.get('c', 0), table.get('d', 0));
    assert.equal(table.size, 2);
  });

  test('those that nobody would miss are forgotten when others come', () => {
    const table = new LoadTable(1_000);
    const early = table.get('early', 0);
    early.take(60, 0);
    table.get('later', 70_000);

    assert.equal(early.isDropped, true);
    assert.notEqual(table.get('early', 70_000), early);
  });
});
