import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type Places, serviceUnit, serviceUser } from './places.ts';
import { installedDataDir, installUnit, removeUnit, writeUnit } from './unit.ts';

/** Of `systemd-analyze security`: 0 is nothing that could be done without, 10 everything. */
const mostExposure = 2;

async function written(t: TestContext): Promise<{ readonly places: Places; readonly file: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-unit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const places = {
    programs: join(folder, 'opt'),
    units: join(folder, 'units'),
    environmentFile: join(folder, 'connector.env'),
  };
  // systemd looks for what a unit names.
  mkdirSync(join(places.programs, 'current/bin'), { recursive: true });
  writeFileSync(join(places.programs, 'current/bin/node'), '');
  chmodSync(join(places.programs, 'current/bin/node'), 0o755);
  const text = writeUnit(places, 'program/dist/main.js', '/var/lib/postern-connector').replaceAll(
    `=${serviceUser}`,
    `=${userInfo().username}`,
  );
  assert.equal(await installUnit(places, text), true);
  assert.equal(await installUnit(places, text), false);
  return { places, file: join(places.units, serviceUnit) };
}

describe('the unit of the connector', () => {
  test('systemd finds nothing wrong with it', async t => {
    const { file } = await written(t);

    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });

    assert.equal(verified.error, undefined);
    assert.deepEqual(
      verified.stderr.split('\n').filter(line => line.includes('postern')),
      [],
    );
  });

  test('gives the connector no more than it needs', async t => {
    const { file } = await written(t);

    const judged = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', file], {
      encoding: 'utf8',
    });

    const exposure = /exposure level for \S+: (\d+\.\d+)/.exec(judged.stdout)?.[1];
    assert.ok(Number(exposure) <= mostExposure, judged.stdout + judged.stderr);
  });

  test('says where the data folder is, until it is removed', async t => {
    const { places } = await written(t);

    assert.equal(installedDataDir(places), '/var/lib/postern-connector');
    assert.equal(removeUnit(places), true);
    assert.equal(removeUnit(places), false);
    assert.equal(installedDataDir(places), null);
  });

  test('is not made for a data folder that systemd would read as another', () => {
    const places = { programs: '/opt', units: '/units', environmentFile: '/env' };

    for (const dataDir of ['relative', '/with space', '/with%i', '/with$HOME', '/with"quote']) {
      assert.throws(() => writeUnit(places, 'program/dist/main.js', dataDir), RangeError);
    }
  });
});
