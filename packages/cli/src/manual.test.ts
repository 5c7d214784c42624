import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { writeManual } from './manual.ts';

test('docs/cli.md is the help of every command as it is', async () => {
  const written = await readFile(new URL('../../../docs/cli.md', import.meta.url), 'utf8');

  assert.equal(written, writeManual(), 'run: node packages/cli/src/write-manual.ts');
});
