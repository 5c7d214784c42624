import { test } from 'node:test';
import { run } from './http1.fuzz.ts';

test('generated and mutated connections read the same in any pieces, and as Node reads them', () => {
  run({ iterations: 2000, seed: 9112 });
});
