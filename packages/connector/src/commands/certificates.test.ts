import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import { createAuthority, openSigner, type Signer } from '@postern/server/registration/signer';
import { addPair } from '../../testing/add-pair.ts';
import { type CertificatePair, type StoreName, storeFolder } from '../identity/certificate-store.ts';
import { writeTrustSettings } from '../identity/trust-settings.ts';
import { certificates } from './certificates.ts';

const dayMs = 86_400_000;
const now = Date.now();
let authority: Signer;
let dataDir: string;

before(async () => {
  authority = openSigner(await createAuthority('p384', 'connectorregistrationca.example.com', now));
});
beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'postern-certificates-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

function add(store: StoreName, fromDay: number, toDay: number): Promise<CertificatePair> {
  const [notBefore, notAfter] = [now + fromDay * dayMs, now + toDay * dayMs];
  return addPair({ dataDir, store, authority, notBefore, notAfter });
}

function use({ thumbprint, store }: CertificatePair): Promise<void> {
  return writeTrustSettings(dataDir, { thumbprint, isInUserStore: store === 'user' });
}

async function run(...args: string[]): Promise<string> {
  let printed = '';
  const code = await certificates(
    [...args, '--data', dataDir],
    text => {
      printed += text;
    },
    now,
  );
  assert.equal(code, 0);
  return printed;
}

/** Thumbprints that have both halves in a store. */
function stored(store: StoreName): string[] {
  const names = readdirSync(storeFolder(dataDir, store));
  return names.filter(name => name.endsWith('.pem')).map(name => name.slice(0, 40));
}

/** A file of a write that came to no end, so many hours ago. */
function leave(store: StoreName, name: string, hours: number): void {
  const folder = storeFolder(dataDir, store);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, name), 'rest');
  utimesSync(path.join(folder, name), new Date(), new Date(now - hours * 3_600_000));
}

for (const action of [[], ['prune']]) {
  test(`${['certificates', ...action].join(' ')} fails where a store cannot be read, and calls it not empty`, async () => {
    await use(await add('machine', -2, 178));
    writeFileSync(storeFolder(dataDir, 'user'), 'no folder');

    await assert.rejects(run(...action), { code: 'ENOTDIR' });
  });
}

describe('the list', () => {
  test('names both stores, marks the certificate in use, and says where the files are', async () => {
    const registered = await add('machine', -180, 2);
    const renewed = await add('user', -60, 122);
    await use(renewed);

    const text = await run();

    assert.match(text, new RegExp(`\\* ${renewed.thumbprint}  user store  \\(in use\\)`));
    assert.match(text, new RegExp(`  ${registered.thumbprint}  machine store\n`));
    assert.match(text, /issuer {4}CN=connectorregistrationca\.example\.com/);
    assert.match(text, /subject {3}CN=c-1, O=srv-01/);
    assert.ok(text.includes(path.join(dataDir, 'certificates', 'user', `${renewed.thumbprint}.pem`)));
    assert.ok(text.includes(path.join(dataDir, 'Config', 'TrustSettings.xml')));
  });

  test('is one JSON document where that is asked for', async () => {
    const expired = await add('machine', -200, -20);
    await use(expired);

    const { certificates: listed } = JSON.parse(await run('--json')) as {
      certificates: Record<string, unknown>[];
    };

    assert.equal(listed.length, 1);
    const { thumbprint, isInUse, isPresented, state, store } = listed[0]!;
    assert.deepEqual(
      { thumbprint, isInUse, isPresented, state, store },
      {
        thumbprint: expired.thumbprint,
        isInUse: true,
        isPresented: false,
        state: 'expired',
        store: 'machine',
      },
    );
  });

  test('of an empty folder says so', async () => {
    assert.match(await run(), /There is no certificate in either store/);
  });

  test('refuses what it does not know', async () => {
    await assert.rejects(run('clean'), { code: 'usage' });
  });
});

describe('pruning', () => {
  test('removes what is expired or older than the certificate in use, and no newer one', async () => {
    const expired = await add('machine', -200, -20);
    const older = await add('machine', -100, 80);
    const inUse = await add('user', -50, 130);
    const newer = await add('user', -1, 179);
    await use(inUse);

    const text = await run('prune');

    assert.match(text, new RegExp(`${expired.thumbprint}\\.key \\(expired\\)`));
    assert.match(text, new RegExp(`${older.thumbprint}\\.pem \\(replaced\\)`));
    assert.deepEqual(readdirSync(storeFolder(dataDir, 'machine')), []);
    assert.deepEqual(stored('user').sort(), [inUse.thumbprint, newer.thumbprint].sort());
    assert.equal(await run('prune'), 'There is nothing to remove.\n');
  });

  test('never removes the one in use, expired or not', async () => {
    const inUse = await add('machine', -200, -20);
    await use(inUse);

    await run('prune');

    assert.deepEqual(stored('machine'), [inUse.thumbprint]);
  });

  test('leaves everything that is valid where the one in use is missing', async () => {
    const valid = [await add('machine', -100, 80), await add('user', -50, 130)];
    const expired = await add('user', -200, -20);
    await writeTrustSettings(dataDir, { thumbprint: 'A'.repeat(40), isInUserStore: true });

    await run('prune');

    assert.deepEqual(
      [...stored('machine'), ...stored('user')],
      valid.map(pair => pair.thumbprint),
    );
    assert.ok(!stored('user').includes(expired.thumbprint));
  });

  test('removes what interrupted writes have left, once nobody can be writing it any more', async () => {
    const inUse = await add('machine', -50, 130);
    await use(inUse);
    const half = 'B'.repeat(40);
    for (const name of ['pending-7-1700000000000.key', `${half}.key`, `${half}.pem.new`])
      leave('user', name, 2);
    leave('user', 'pending-8-1700000000000.key', 0.1);
    leave('user', 'notes.txt', 2);

    const { removed } = JSON.parse(await run('prune', '--json')) as {
      removed: { file: string; why: string }[];
    };

    assert.deepEqual(removed.map(({ file, why }) => [file, why]).sort(), [
      [`${half}.key`, 'incomplete'],
      [`${half}.pem.new`, 'incomplete'],
      ['pending-7-1700000000000.key', 'incomplete'],
    ]);
    assert.deepEqual(readdirSync(storeFolder(dataDir, 'user')).sort(), [
      'notes.txt',
      'pending-8-1700000000000.key',
    ]);
    assert.deepEqual(stored('machine'), [inUse.thumbprint]);
  });
});
