import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { CommandLog } from './command-log.ts';

test('a command’s log is a new file of its own user alone, whatever lies in its way', t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-log-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const now = new Date('2026-11-22T05:06:07.890Z');
  const precious = join(folder, 'precious');
  writeFileSync(precious, 'precious');
  symlinkSync(precious, join(folder, 'postern-connector-install-20261122T050607Z.log'));

  const log = CommandLog.create('install', now, folder);
  log.note('one\ntwo');
  log.close();

  assert.ok(log.file !== null);
  assert.equal(basename(log.file), 'postern-connector-install-20261122T050607Z-1.log');
  assert.equal(statSync(log.file).mode & 0o777, 0o600);
  assert.match(readFileSync(log.file, 'utf8'), /postern-connector \S+ install.*\n\S+Z one\n {2}two\n$/);
  assert.equal(readFileSync(precious, 'utf8'), 'precious');
});

test('a command is done without a log where none can be made', async () => {
  const folder = join(tmpdir(), 'postern-log-nowhere', 'at-all');

  const log = CommandLog.create('register', new Date(), folder);
  log.note('one');
  log.close();

  assert.equal(log.file, null);
});
