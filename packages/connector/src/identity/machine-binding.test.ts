import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { machineFiles } from './durable-file.ts';
import { machineFingerprint, refuseOtherMachine, rememberMachine } from './machine-binding.ts';

const oneId = '0123456789abcdef0123456789abcdef';
const otherId = 'fedcba9876543210fedcba9876543210';

function folder(t: TestContext, files: Readonly<Record<string, string>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'postern-machine-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

describe('an identity and its machine', () => {
  test('an identity is refused on another machine, and the refusal says what to do', async t => {
    const one = machineFingerprint(folder(t, { 'etc/machine-id': `${oneId}\n` }));
    const other = machineFingerprint(folder(t, { 'etc/machine-id': `${otherId}\n` }));
    const dataDir = folder(t, { 'Config/service.json': '{}' });

    await rememberMachine(dataDir, machineFiles, one);

    await refuseOtherMachine(dataDir, machineFiles, one);
    await assert.rejects(refuseOtherMachine(dataDir, machineFiles, other), {
      code: 'other_machine',
      message: /registered on another machine/,
      remedy: /postern connector register/,
    });
  });

  test('what is remembered does not give the machine id away', async t => {
    const dataDir = folder(t, { 'Config/service.json': '{}' });

    await rememberMachine(
      dataDir,
      machineFiles,
      machineFingerprint(folder(t, { 'etc/machine-id': `${oneId}\n` })),
    );

    assert.ok(!readFileSync(join(dataDir, 'Config/machine.json'), 'utf8').includes(oneId));
  });

  test('where ids belong to images or pass with the boot, nothing is remembered and nothing refused', async t => {
    const image = folder(t, { 'etc/machine-id': `${oneId}\n`, '.dockerenv': '' });
    const passing = folder(t, {
      'etc/machine-id': `${oneId}\n`,
      'proc/self/mountinfo': '36 25 0:32 /machine-id /etc/machine-id rw - tmpfs tmpfs rw\n',
    });
    const dataDir = folder(t, { 'Config/service.json': '{}' });

    for (const root of [image, passing, folder(t), folder(t, { 'etc/machine-id': 'uninitialized\n' })]) {
      assert.equal(machineFingerprint(root), null);
    }
    await rememberMachine(dataDir, machineFiles, null);
    await refuseOtherMachine(
      dataDir,
      machineFiles,
      machineFingerprint(folder(t, { 'etc/machine-id': `${oneId}\n` })),
    );
  });

  test('a remembrance that cannot be read is not taken for none', async t => {
    const dataDir = folder(t, { 'Config/machine.json': '{"machine":' });
    const one = machineFingerprint(folder(t, { 'etc/machine-id': `${oneId}\n` }));

    await assert.rejects(refuseOtherMachine(dataDir, machineFiles, one), { code: 'other_machine' });
    await refuseOtherMachine(dataDir, machineFiles, null);
  });
});
