import 'reflect-metadata';
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, test } from 'node:test';
import { X509Crl } from '@peculiar/x509';
import type { Kysely } from 'kysely';
import type { RevocationList } from '../feed/messages.ts';
import { markRevoked } from '../store/connectors.ts';
import type { Database } from '../store/schema.ts';
import { type Authorities, createTunnelTrust } from './authorities.ts';
import { createRevocationLists } from './revocation-lists.ts';
import { RegistrationBench } from './testing.ts';

const dayMs = 86_400_000;
const start = Date.UTC(2026, 0, 1);

let bench: RegistrationBench;
let db: Kysely<Database>;
let authorities: Authorities;
let now = start;

before(async () => {
  bench = await RegistrationBench.open(() => now);
  ({ db, authorities } = bench);
});
after(() => bench[Symbol.asyncDispose]());

function crlOf([list]: readonly RevocationList[]): X509Crl {
  return new X509Crl(Buffer.from(list!.der, 'base64'));
}

test('the list holds what was revoked and nothing else, is signed by the authority, and is where its certificates say', async () => {
  const revoked = await bench.addConnector('c-1', { now: start });
  const other = await bench.addConnector('c-2', { now: start });
  const lists = createRevocationLists({
    db,
    authorities: () => authorities.rotating.registration.all,
    now: () => now,
  });

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
  const lists = createRevocationLists({
    db,
    authorities: () => authorities.rotating.registration.all,
    now: () => now,
  });
  const numberOf = (crl: X509Crl) => Buffer.from(crl.getExtension('2.5.29.20')!.value).toString('hex');

  const first = await lists();
  now += dayMs;
  const second = await lists();

  assert.notEqual(second, first);
  assert.ok(numberOf(crlOf(second)) > numberOf(crlOf(first)));
  assert.match(numberOf(crlOf(first)), /^0204[0-7]/, 'a positive INTEGER');
});

test('relays get the new list with the rest of what they need, and the leaf stays as it is', async () => {
  await bench.addConnector('c-3', { now: start });
  const lists = createRevocationLists({
    db,
    authorities: () => authorities.rotating.registration.all,
    now: () => now,
  });
  const tunnelTrust = createTunnelTrust(authorities, 'example.com', () => now, lists);

  const before = await tunnelTrust();
  assert.equal(await tunnelTrust(), before);
  await markRevoked(db, 'c-3', now);
  const after = await tunnelTrust();

  assert.equal(after.certificate, before.certificate);
  assert.equal(crlOf(after.revocationLists!).entries.length, 2);
});

test('an authority that came after another has a list of its own, and the one before keeps its', async () => {
  const lists = createRevocationLists({
    db,
    authorities: () => authorities.rotating.registration.all,
    now: () => now,
  });
  const old = await bench.addConnector('c-4', { now: start });
  const { registration } = authorities.rotating;
  await registration.announce(now);
  await registration.promote(now + 180 * dayMs);
  const young = await bench.addConnector('c-5', { now });
  await markRevoked(db, 'c-4', now);
  await markRevoked(db, 'c-5', now);

  const made = await lists();

  const serialsOf = (list: RevocationList) =>
    crlOf([list]).entries.map(entry => entry.serialNumber.toUpperCase());
  assert.equal(made.length, 2);
  assert.ok(serialsOf(made[0]!).includes(old.serial));
  assert.deepEqual(serialsOf(made[1]!), [young.serial]);
  const text = new X509Certificate(young.pem).raw.toString('latin1');
  assert.ok(text.includes(`http://connect.example.com${made[1]!.path}`));
});
