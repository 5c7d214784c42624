import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { run } from './html.fuzz.ts';

// The same as a fuzzer, `npm test` has it go on to 10,000 pages and more.
test('a thousand generated pages, cut anywhere, are translated as parse5 sees them', () => {
  run({ iterations: 1_000, seed: randomInt(2 ** 31) });
});
