import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { run } from './html.fuzz.ts';

test('10,000 generated pages, cut anywhere, are translated as parse5 sees them', () => {
  run({ iterations: 10_000, seed: randomInt(2 ** 31) });
});
