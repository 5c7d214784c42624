import assert from 'node:assert/strict';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { writeSecretFile } from './secret-file.ts';

describe('a secret file', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'postern-secret-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  test('is for its owner alone, also where a wider one was there', async () => {
    const file = path.join(folder, 'token');
    writeFileSync(file, 'old and much longer', { mode: 0o644 });

    await writeSecretFile(file, 'new');

    assert.equal(readFileSync(file, 'utf8'), 'new\n');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(folder), ['token']);
  });

  test('takes the place of a link and leaves what it led to', async () => {
    const victim = path.join(folder, 'victim');
    const link = path.join(folder, 'link');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, link);

    await writeSecretFile(link, 'secret');

    assert.equal(readFileSync(victim, 'utf8'), 'untouched');
    assert.equal(readFileSync(link, 'utf8'), 'secret\n');
  });

  test('that cannot be written is said without the secret', async () => {
    await assert.rejects(writeSecretFile(path.join(folder, 'absent', 'token'), 'secret-text'), error => {
      assert.match(String(error), /cannot be written/);
      assert.doesNotMatch(String((error as Error).stack), /secret-text/);
      return true;
    });
  });
});
