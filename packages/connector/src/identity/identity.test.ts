import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { createAuthority, openSigner, type Signer } from '@postern/server/registration/signer';
import { addPair } from '../../testing/add-pair.ts';
import { type CertificatePair, type StoreName, storeFolder } from './certificate-store.ts';
import { loadIdentity } from './identity.ts';
import { createKey } from './proof.ts';
import { RenewalError, renewIdentity } from './renewal.ts';
import { writeServiceSettings } from './service-settings.ts';
import { trustSettingsFile, writeTrustSettings } from './trust-settings.ts';

const day = 86_400_000;
const now = Date.now();
let authority: Signer;
let dataDir: string;

beforeEach(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'postern-identity-'));
  authority = openSigner(await createAuthority('p384', 'CA', now));
  await writeServiceSettings(dataDir, {
    connectorId: 'c-1',
    machineName: 'srv',
    connectHost: 'connect.example.com',
    connectPort: 443,
    anchors: [authority.certificate],
  });
});
afterEach(() => rmSync(dataDir, { recursive: true }));

function add(store: StoreName, fromDay: number, toDay: number): Promise<CertificatePair> {
  const [notBefore, notAfter] = [now + fromDay * day, now + toDay * day];
  return addPair({ dataDir, store, authority, notBefore, notAfter });
}

function fileOf(pair: CertificatePair, kind: 'pem' | 'key'): string {
  return path.join(storeFolder(dataDir, pair.store), `${pair.thumbprint}.${kind}`);
}

async function chosen(): Promise<{ thumbprint: string | undefined; fallback: string | null }> {
  const { pairs, fallback } = await loadIdentity(dataDir, now);
  return { thumbprint: pairs[0]?.thumbprint, fallback };
}

test('the pair that the trust settings name comes first, then the newest', async () => {
  const old = await add('machine', -100, 80);
  const newer = await add('user', -10, 170);
  const named = await add('machine', -50, 130);
  await writeTrustSettings(dataDir, { thumbprint: named.thumbprint, isInUserStore: false });

  const { pairs, fallback } = await loadIdentity(dataDir, now);

  assert.deepEqual(
    pairs.map(pair => pair.thumbprint),
    [named.thumbprint, newer.thumbprint, old.thumbprint],
  );
  assert.equal(fallback, null);
  assert.equal(statSync(fileOf(named, 'key')).mode & 0o777, 0o600);
});

describe('the newest valid pair of either store takes the place of', () => {
  let named: CertificatePair;
  let newest: CertificatePair;

  beforeEach(async () => {
    await add('machine', -100, 80);
    await add('machine', -200, -20);
    named = await add('machine', -3, 177);
    newest = await add('user', -50, 130);
    await writeTrustSettings(dataDir, { thumbprint: named.thumbprint, isInUserStore: false });
  });

  const cases: readonly [string, () => void | Promise<void>, RegExp][] = [
    [
      'a missing certificate',
      () => rmSync(fileOf(named, 'pem')),
      /is missing, unreadable or without its key/,
    ],
    ['a missing key', () => rmSync(fileOf(named, 'key')), /is missing/],
    [
      'an empty key file, as after a loss of power',
      () => writeFileSync(fileOf(named, 'key'), ''),
      /is missing/,
    ],
    [
      'a key of another certificate',
      async () => writeFileSync(fileOf(named, 'key'), (await createKey('p384')).privateKey),
      /is missing/,
    ],
    [
      'a certificate under a wrong name',
      () => writeFileSync(fileOf(named, 'pem'), newest.certificate),
      /is missing/,
    ],
    [
      'a pair looked for in the wrong store',
      () => writeTrustSettings(dataDir, { thumbprint: 'A'.repeat(40), isInUserStore: true }),
      /in the user store is missing/,
    ],
  ];
  for (const [title, damage, why] of cases) {
    test(title, async () => {
      const before = named.thumbprint;
      await damage();

      const { thumbprint, fallback } = await chosen();

      // Where only the name was wrong, the named pair itself is the newest.
      assert.equal(thumbprint, title.includes('wrong store') ? before : newest.thumbprint);
      assert.match(fallback ?? '', why);
    });
  }

  test('broken trust settings', async () => {
    writeFileSync(trustSettingsFile(dataDir), 'garbage');

    const { thumbprint, fallback } = await chosen();

    assert.equal(thumbprint, named.thumbprint);
    assert.match(fallback ?? '', /TrustSettings\.xml cannot be used/);
  });

  test('no trust settings', async () => {
    rmSync(trustSettingsFile(dataDir));

    assert.match((await chosen()).fallback ?? '', /there is no TrustSettings\.xml/);
  });
});

test('an expired pair gives way to a valid one, and is presented where there is no other', async () => {
  const expired = await add('machine', -200, -1);
  await writeTrustSettings(dataDir, { thumbprint: expired.thumbprint, isInUserStore: false });
  assert.deepEqual(await chosen(), { thumbprint: expired.thumbprint, fallback: null });

  const valid = await add('user', -50, 130);

  const { thumbprint, fallback } = await chosen();
  assert.equal(thumbprint, valid.thumbprint);
  assert.match(fallback ?? '', /has expired/);
});

describe('a pair that was issued to another connector, as this machine has been one before,', () => {
  const foreign = (store: StoreName, fromDay: number) =>
    addPair({
      ...{ dataDir, store, authority, connectorId: 'c-0' },
      notBefore: now + fromDay * day,
      notAfter: now + 170 * day,
    });

  test('takes the place of none', async () => {
    const named = await add('machine', -50, 130);
    await foreign('machine', -100);
    await foreign('user', -10);
    await writeTrustSettings(dataDir, { thumbprint: named.thumbprint, isInUserStore: false });

    const { pairs } = await loadIdentity(dataDir, now);

    assert.deepEqual(
      pairs.map(pair => pair.thumbprint),
      [named.thumbprint],
    );
  });

  test('is not used where the trust settings name it, as after a registration that was cut off', async () => {
    const former = await foreign('machine', -10);
    const own = await add('machine', -1, 179);
    await writeTrustSettings(dataDir, { thumbprint: former.thumbprint, isInUserStore: false });

    const { thumbprint, fallback } = await chosen();

    assert.equal(thumbprint, own.thumbprint);
    assert.match(fallback ?? '', /was issued to another connector/);
  });

  test('is not taken up by a renewal, though it is the newest', async () => {
    const current = await add('machine', -120, 60);
    await writeTrustSettings(dataDir, { thumbprint: current.thumbprint, isInUserStore: false });
    await foreign('user', -1);
    const tried: CertificatePair[] = [];

    const renewal = renewIdentity(
      {
        dataDir,
        now: () => now,
        createKey,
        request: () => Promise.reject(new RenewalError('no_tunnel', 'no tunnel is up')),
        tryPair: async pair => void tried.push(pair),
      },
      current,
    );

    await assert.rejects(renewal, { code: 'no_tunnel' });
    assert.deepEqual(tried, []);
  });
});

test('without any pair, registering is what helps', async () => {
  await writeTrustSettings(dataDir, { thumbprint: 'A'.repeat(40), isInUserStore: false });

  await assert.rejects(loadIdentity(dataDir, now), (error: Error & { code: string; remedy: string }) => {
    assert.equal(error.code, 'no_usable_certificate');
    assert.match(error.remedy, /postern connector register/);
    return true;
  });
});

test('a folder that was never registered says so', async () => {
  await assert.rejects(loadIdentity(path.join(dataDir, 'nowhere'), now), { code: 'not_registered' });
});

describe('settings of the service that cannot be used are refused, not replaced by public trust', () => {
  for (const text of [
    '',
    '{}',
    '{"connectorId":"c","machineName":"m","connectHost":"h","connectPort":443,"anchors":[]}',
  ]) {
    test(text || '(empty)', async () => {
      writeFileSync(path.join(dataDir, 'Config', 'service.json'), text);

      await assert.rejects(loadIdentity(dataDir, now), { code: 'bad_service_settings' });
    });
  }
});
