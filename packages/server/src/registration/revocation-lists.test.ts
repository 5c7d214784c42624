import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { X509Crl } from '@peculiar/x509';
import { createKey } from '@postern/connector/identity/proof';
import type { Kysely } from 'kysely';
import type { RevocationList } from '../feed/messages.ts';
import { findDefaultConnectorGroupId } from '../store/connector-registrations.ts';
import { markRevoked } from '../store/connectors.ts';
import { openStore } from '../store/open.ts';
import type { Database } from '../store/schema.ts';
import { SealedSecrets } from '../store/sealed-secrets.ts';
import { type Authorities, createTunnelTrust, openAuthorities } from './authorities.ts';
import { type IssuedCertificate, issueTrustCertificate } from './issue.ts';
import { createRevocationLists } from './revocation-lists.ts';

const dayMs = 86_400_000;
const start = Date.UTC(2026, 0, 1);

let folder: string;
let db: Kysely<Database>;
let authorities: Authorities;
let now = start;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'postern-crl-'));
  db = await openStore(path.join(folder, 'postern.db'));
  const secrets = new SealedSecrets(db, Buffer.alloc(32, 7));
  authorities = await openAuthorities({ secrets, domain: 'example.com', now: () => start });
});
after(async () => {
  await db.destroy();
  rmSync(folder, { recursive: true });
});

async function addConnector(connectorId: string): Promise<IssuedCertificate> {
  const publicKey = createPublicKey((await createKey('p384')).privateKey);
  const issued = await issueTrustCertificate(authorities.registration, {
    publicKey,
    connectorId,
    machineName: 'srv',
    now: start,
  });
  const groupId = await findDefaultConnectorGroupId(db);
  const unknown = { externalIp: null, lastSeenAt: null, revokedAt: null };
  const about = { machineName: 'srv', groupId, version: '1', os: 'Linux', createdAt: start };
  await db
    .insertInto('connector')
    .values({ id: connectorId, ...about, ...unknown })
    .execute();
  await db
    .insertInto('connectorCertificate')
    .values({ ...issued, connectorId, revokedAt: null })
    .execute();
  return issued;
}

function crlOf([list]: readonly RevocationList[]): X509Crl {
  return new X509Crl(Buffer.from(list!.der, 'base64'));
}

test('the list holds what was revoked and nothing else, is signed by the authority, and is where its certificates say', async () => {
  const revoked = await addConnector('c-1');
  const other = await addConnector('c-2');
  const lists = createRevocationLists({ db, authority: authorities.registration, now: () => now });

  const before = await lists();
  assert.equal(crlOf(before).entries.length, 0);
  assert.equal(await lists(), before, 'the same until something changes');

  now += 3_600_000;
  await markRevoked(db, 'c-1', now);
  const after = await lists();
  const crl = crlOf(after);

  assert.deepEqual(
    crl.entries.map(entry => [entry.serialNumber.toUpperCase(), entry.revocationDate.getTime()]),
    [[revoked.serial, now]],
  );
  assert.equal(crl.issuer, 'CN=connectorregistrationca.example.com');
  const { publicKey } = new X509Certificate(authorities.registration.certificate);
  const spki = publicKey.toCryptoKey({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' }, true, ['verify']);
  assert.equal(await crl.verify({ publicKey: spki }), true);
  assert.equal(crl.thisUpdate.getTime(), now);
  assert.equal(crl.nextUpdate?.getTime(), now + 7 * dayMs);
  for (const { pem } of [revoked, other]) {
    const text = new X509Certificate(pem).raw.toString('latin1');
    assert.ok(text.includes(`http://connect.example.com${after[0]!.path}`));
  }
});

test('the list is made anew every day, with a higher number', async () => {
  const lists = createRevocationLists({ db, authority: authorities.registration, now: () => now });
  const numberOf = (crl: X509Crl) => Buffer.from(crl.getExtension('2.5.29.20')!.value).toString('hex');

  const first = await lists();
  now += dayMs;
  const second = await lists();

  assert.notEqual(second, first);
  assert.ok(numberOf(crlOf(second)) > numberOf(crlOf(first)));
  assert.match(numberOf(crlOf(first)), /^0204[0-7]/, 'a positive INTEGER');
});

test('relays get the new list with the rest of what they need, and the leaf stays as it is', async () => {
  await addConnector('c-3');
  const lists = createRevocationLists({ db, authority: authorities.registration, now: () => now });
  const tunnelTrust = createTunnelTrust(authorities, 'example.com', () => now, lists);

  const before = await tunnelTrust();
  assert.equal(await tunnelTrust(), before);
  await markRevoked(db, 'c-3', now);
  const after = await tunnelTrust();

  assert.equal(after.certificate, before.certificate);
  assert.equal(crlOf(after.revocationLists!).entries.length, 2);
});
