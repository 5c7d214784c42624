import assert from 'node:assert/strict';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { asDataOwner, giveDataFolder } from './data-owner.ts';

const me = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const modeOf = (file: string) => statSync(file).mode & 0o777;

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'postern-owner-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test('a data folder is made for its owner alone, and a second time nothing is changed', t => {
  const dataDir = join(folder(t), 'var', 'data');

  assert.equal(giveDataFolder(dataDir, me), true);
  assert.equal(modeOf(dataDir), 0o700);
  assert.equal(giveDataFolder(dataDir, me), false);
});

test('what is in a data folder is narrowed', t => {
  const dataDir = folder(t);
  mkdirSync(join(dataDir, 'certificates', 'machine'), { recursive: true });
  const key = join(dataDir, 'certificates', 'machine', 'key');
  writeFileSync(key, 'secret');
  chmodSync(key, 0o644);
  chmodSync(join(dataDir, 'certificates'), 0o755);

  assert.equal(giveDataFolder(dataDir, me), true);

  assert.equal(modeOf(key), 0o600);
  assert.equal(modeOf(join(dataDir, 'certificates')), 0o700);
});

test('what links in a data folder lead to stays as it is', t => {
  const outside = join(folder(t), 'passwd');
  writeFileSync(outside, 'root');
  chmodSync(outside, 0o644);
  const dataDir = folder(t);
  symlinkSync(outside, join(dataDir, 'link'));
  linkSync(outside, join(dataDir, 'second-name'));

  giveDataFolder(dataDir, me);

  assert.equal(modeOf(outside), 0o644);
});

test('a data folder that is a link is refused', t => {
  const dataDir = folder(t);
  symlinkSync(folder(t), join(dataDir, 'link'));

  assert.throws(() => giveDataFolder(join(dataDir, 'link'), me), { code: 'ENOTDIR' });
});

test('what is done as the owner of a folder of one’s own is simply done', async t => {
  const dataDir = folder(t);

  const before = process.geteuid?.();
  const result = await asDataOwner(dataDir, async () => 'done');

  assert.equal(result, 'done');
  assert.equal(process.geteuid?.(), before);
});
