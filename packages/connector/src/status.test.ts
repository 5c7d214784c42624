import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createAuthority, openSigner, type Signer } from '@postern/server/registration/signer';
import { addPair } from '../testing/add-pair.ts';
import type { CertificatePair } from './identity/certificate-store.ts';
import { writeServiceSettings } from './identity/service-settings.ts';
import { writeTrustSettings } from './identity/trust-settings.ts';
import { type OwnStatus, readConnectorStatus, StatusFile } from './status.ts';

const day = 86_400_000;
let authority: Signer;
let dataDir: string;
let former: CertificatePair;

beforeEach(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'postern-status-'));
  authority = openSigner(await createAuthority('p384', 'CA', Date.now()));
  former = await register('c-1', -120);
});
afterEach(() => rmSync(dataDir, { recursive: true }));

/** Does to the files what a registration does. */
async function register(connectorId: string, fromDay: number): Promise<CertificatePair> {
  const notBefore = Date.now() + fromDay * day;
  const pair = await addPair({
    ...{ dataDir, store: 'machine', authority, connectorId },
    ...{ notBefore, notAfter: notBefore + 180 * day },
  });
  await writeServiceSettings(dataDir, {
    connectorId,
    machineName: connectorId === 'c-1' ? 'srv' : 'renamed',
    connectHost: 'connect.example.com',
    connectPort: 443,
    anchors: [authority.certificate],
  });
  await writeTrustSettings(dataDir, { thumbprint: pair.thumbprint, isInUserStore: false });
  return pair;
}

async function wrote(more: Partial<OwnStatus>): Promise<void> {
  const { thumbprint, store, notBefore, notAfter } = former;
  const file = await StatusFile.create(dataDir);
  await file.write({
    state: 'stopped',
    connectorId: 'c-1',
    machineName: 'srv',
    version: '0.1.0',
    connect: 'connect.example.com:443',
    certificate: { thumbprint, store, notBefore, notAfter },
    tunnels: [],
    applicationCount: 0,
    lastError: { at: 1, code: 'refused/expired', message: 'it has expired', remedy: 'Register it.' },
    processId: process.pid,
    startedAt: Date.now() - 3_600_000,
    ...more,
  });
}

describe('a connector that has stopped', () => {
  test('is the one that it was, with its last failure', async () => {
    await wrote({});

    const { connectorId, certificate, lastError, version } = await readConnectorStatus({ dataDir });

    assert.deepEqual([connectorId, certificate.thumbprint], ['c-1', former.thumbprint]);
    assert.deepEqual([lastError?.message, version], ['it has expired', '0.1.0']);
  });

  for (const connectorId of ['c-1', 'c-2']) {
    test(`is ${connectorId === 'c-1' ? 'the same' : 'another'} connector with the new certificate once it is registered again`, async () => {
      await wrote({});
      const { thumbprint } = await register(connectorId, -2);

      const status = await readConnectorStatus({ dataDir });

      assert.deepEqual([status.connectorId, status.certificate.thumbprint], [connectorId, thumbprint]);
      assert.equal(status.machineName, connectorId === 'c-1' ? 'srv' : 'renamed');
      assert.equal(status.lastError, null, 'what was wrong with the former certificate');
      assert.deepEqual([status.state, status.isRunning], ['stopped', false]);
    });
  }
});

describe('the process that a status names', () => {
  let other: ChildProcess;
  beforeEach(() => {
    other = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
  });
  afterEach(() => {
    other.kill('SIGKILL');
  });

  for (const hours of [-5, 5]) {
    test(`runs, though the clock was ${hours} hours off when it wrote`, async t => {
      t.mock.timers.enable({ apis: ['Date'], now: Date.now() + hours * 3_600_000 });
      await wrote({ state: 'connected' });
      t.mock.timers.reset();

      assert.equal((await readConnectorStatus({ dataDir })).state, 'connected');
    });
  }

  test('is gone, although another one has got its number since', {
    skip: process.platform !== 'linux',
  }, async () => {
    // The mark is that of the process of the test.
    await wrote({ state: 'connected', processId: other.pid! });

    const { state, isRunning } = await readConnectorStatus({ dataDir });

    assert.deepEqual([state, isRunning], ['stopped', false]);
  });
});
