import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLogger } from './telemetry/logger.ts';
import { Upkeep } from './upkeep.ts';

const log = createLogger({ program: 'test', level: 'silent' });

describe('regular jobs', () => {
  test('are done again and again, also after they failed', async () => {
    let runs = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const upkeep = new Upkeep(
      [
        {
          name: 'fails',
          everyMs: 1,
          run: async () => {
            runs += 1;
            if (runs === 3) resolve();
            throw new Error('not today');
          },
        },
      ],
      log,
    );

    await promise;
    await upkeep.stop();
    assert(runs >= 3);
  });

  test('do not overtake themselves, and are waited for at the end', async () => {
    let begun = 0;
    let turnsOfTheOther = 0;
    const otherTurned = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const upkeep = new Upkeep(
      [
        {
          name: 'long',
          everyMs: 1,
          run: () => {
            begun += 1;
            return release.promise;
          },
        },
        {
          name: 'short',
          everyMs: 1,
          run: async () => {
            if (begun > 0) turnsOfTheOther += 1;
            if (turnsOfTheOther === 5) otherTurned.resolve();
          },
        },
      ],
      log,
    );

    await otherTurned.promise;
    let isStopped = false;
    const stopped = upkeep.stop().then(() => {
      isStopped = true;
    });
    await new Promise(setImmediate);
    assert.equal(isStopped, false);
    release.resolve();
    await stopped;

    assert.equal(begun, 1);
  });
});
