import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { writeManual } from './manual.ts';

test('docs/configuration.md is what the schema says; `postern config manual` writes it again', () => {
  const file = new URL('../../../../docs/configuration.md', import.meta.url);

  assert.equal(readFileSync(file, 'utf8'), writeManual());
});
