import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { version } from './version.ts';

const bin = path.join(import.meta.dirname, '../bin/postern.mjs');
// Makes the Node that runs it look like another, for that process alone.
const pretend = (older: string) =>
  `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${older}'}})`;

test('commands of the connector name themselves as they were typed', () => {
  const postern = (...args: string[]) =>
    spawnSync(process.execPath, [bin, 'connector', ...args], { encoding: 'utf8', env: {} });

  assert.match(
    postern('requirements', '--help').stdout,
    /^Usage: postern connector requirements \[options\]/,
  );
  const wrong = postern('requirements', '--nothing');
  assert.equal(wrong.stderr, 'Unknown option \'--nothing\'. See "postern connector requirements --help".\n');
  assert.equal(wrong.status, 2);
});

function run(file: string, nodeVersion: string) {
  return spawnSync(process.execPath, ['--import', pretend(nodeVersion), file, '--version'], {
    encoding: 'utf8',
    env: {},
  });
}

describe('the check of the Node version', () => {
  test('an old Node hands over to the one that npm delivered', () => {
    const { stdout, stderr, status } = run(bin, '20.20.2');

    assert.deepEqual({ stdout, stderr, status }, { stdout: `${version}\n`, stderr: '', status: 0 });
  });

  test('without one, a sentence says what to do', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-bin-'));
    try {
      copyFileSync(bin, path.join(folder, 'postern.mjs'));

      const { stdout, stderr, status } = run(path.join(folder, 'postern.mjs'), '24.14.9');

      assert.equal(stdout, '');
      assert.match(stderr, /^postern: this needs Node\.js 24\.15 or newer, .*\n {2}Install a newer one/);
      assert.equal(status, 1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
