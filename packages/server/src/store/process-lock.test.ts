import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { takeProcessLock } from './process-lock.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-lock-'));
after(() => rmSync(folder, { recursive: true, force: true }));

describe('the lock of a process', () => {
  test('is refused while it is held, and given when it is released', () => {
    const file = path.join(folder, 'run', 'a.lock');
    const first = takeProcessLock(file, 0);

    assert.throws(() => takeProcessLock(file, 10), { name: 'StoreError', code: 'in_use' });
    first.release();

    takeProcessLock(file, 0).release();
  });

  test('in a folder that cannot be used is told in a sentence', () => {
    const notAFolder = path.join(folder, 'file');
    writeFileSync(notAFolder, '');

    assert.throws(() => takeProcessLock(path.join(notAFolder, 'a.lock'), 0), { code: 'storage_failed' });
  });

  test('is free again when its holder was killed', async context => {
    const file = path.join(folder, 'b.lock');
    const script = `
      import { takeProcessLock } from ${JSON.stringify(path.join(import.meta.dirname, 'process-lock.ts'))};
      const lock = takeProcessLock(${JSON.stringify(file)}, 0);
      console.log('held');
      setInterval(() => lock, 1000);`;
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    context.after(() => holder.kill('SIGKILL'));
    await once(holder.stdout, 'data');
    assert.throws(() => takeProcessLock(file, 0), { code: 'in_use' });

    holder.kill('SIGKILL');
    await once(holder, 'exit');

    takeProcessLock(file, 0).release();
  });
});
