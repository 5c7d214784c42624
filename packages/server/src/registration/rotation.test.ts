import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { sha256Of } from '@postern/protocol/x509/certificate';
import { markRevoked } from '../store/connectors.ts';
import { SealedSecrets } from '../store/sealed-secrets.ts';
import { createTunnelTrust, issuersOf, openAuthorities, type RotatingName } from './authorities.ts';
import { Rotation, type RotationEvent } from './rotation.ts';
import { RegistrationBench } from './testing.ts';

const dayMs = 86_400_000;
const start = Date.UTC(2026, 0, 1);

let bench: RegistrationBench;
let now = start;
const events: RotationEvent[] = [];
/** Whether every relay has in force what it was told. */
let areRelaysReady = true;
let rotation: Rotation;

before(async () => {
  bench = await RegistrationBench.open(() => now);
  const { db, authorities } = bench;
  const refreshTrust = async () => areRelaysReady;
  rotation = new Rotation({
    ...{ db, authorities, refreshTrust, writeLocalCertificates: null },
    record: event => void events.push(event),
    now: () => now,
  });
});
after(() => bench[Symbol.asyncDispose]());

const fingerprintOf = (pem: string) => sha256Of(new X509Certificate(pem));

async function statesOf(name: RotatingName): Promise<string[]> {
  return (await rotation.list()).filter(one => one.name === name).map(({ state }) => state);
}

function stepsTaken(): string[] {
  return events.splice(0).map(({ authority, step }) => `${authority} ${step}`);
}

describe('the registration authority', () => {
  test('is exchanged when every relay trusts the next one, and not before', async () => {
    const { authorities } = bench;
    const first = authorities.registration.certificate;
    areRelaysReady = false;

    await rotation.rotate('registration');

    assert.deepEqual(await statesOf('registration'), ['signing', 'announced']);
    assert.equal(authorities.registration.certificate, first);
    await rotation.advance();
    assert.equal(authorities.registration.certificate, first);

    areRelaysReady = true;
    await rotation.advance();
    assert.deepEqual(await statesOf('registration'), ['former', 'signing']);
    assert.notEqual(authorities.registration.certificate, first);
    assert.deepEqual(stepsTaken(), ['registration announced', 'registration signing']);
  });

  test('issues what names it as issuer; what the former one issued still names that one', async () => {
    const { authorities } = bench;
    const issued = await bench.addConnector('c-young', { now });

    assert.deepEqual(issuersOf(authorities, issued.pem), [authorities.registration.certificate]);
    const [former] = authorities.rotating.registration.former;
    const old = await former!.signer.issue({
      publicKey: new X509Certificate(issued.pem).publicKey,
      commonName: 'c-old',
      usage: 'clientAuth',
      notBefore: new Date(start),
      notAfter: new Date(start + dayMs),
    });
    assert.deepEqual(issuersOf(authorities, old), [former!.signer.certificate]);
  });

  test('stays trusted until the last certificate of before has expired, for those whose clock is behind, too', async () => {
    const { authorities } = bench;
    const tunnelTrust = createTunnelTrust(authorities, 'example.com', () => now);
    assert.equal((await tunnelTrust()).clientAuthorities.length, 2);

    now = start + 181 * dayMs;
    await rotation.advance();
    assert.deepEqual(await statesOf('registration'), ['former', 'signing']);
    now = start + 183 * dayMs;
    await rotation.advance();

    assert.deepEqual(await statesOf('registration'), ['signing']);
    const trust = await tunnelTrust();
    assert.deepEqual(trust.clientAuthorities, [authorities.registration.certificate]);
    assert.deepEqual(stepsTaken(), ['registration retired']);
  });
});

describe("the service's own authority", () => {
  before(async () => {
    // Nobody of the tests above can come back.
    await markRevoked(bench.db, 'c-young', now);
    await bench.addConnector('c-1', { now });
    await bench.addConnector('c-2', { now, machineName: 'srv-02' });
    await bench.addConnector('c-expired', { now: now - 200 * dayMs });
  });

  test('is announced, and waits for every connector that could come back', async () => {
    const { authorities } = bench;
    const tunnelTrust = createTunnelTrust(authorities, 'example.com', () => now);
    const leafBefore = (await tunnelTrust()).certificate;

    await rotation.rotate('service');
    await rotation.rotate('service');

    const announced = (await rotation.list()).filter(one => one.state === 'announced');
    assert.equal(announced.length, 1, 'asked for again, there is no second one');
    assert.deepEqual(
      announced[0]!.waitsFor.map(({ machineName }) => machineName),
      ['srv-01', 'srv-02'],
    );
    const trust = await tunnelTrust();
    assert.equal(trust.anchors?.length, 2);
    assert.equal(trust.certificate, leafBefore);
  });

  test('survives a restart of the service half-way', async () => {
    const { next } = bench.authorities.rotating.service;

    const again = await openAuthorities({
      secrets: new SealedSecrets(bench.db, Buffer.alloc(32, 7)),
      domain: 'example.com',
      now: () => now,
    });

    assert.equal(again.rotating.service.next?.signer.certificate, next?.signer.certificate);
    assert.equal(again.service.certificate, bench.authorities.service.certificate);
  });

  test('gives way when the last of them has said that it keeps the next one, or was revoked', async () => {
    const { authorities } = bench;
    const tunnelTrust = createTunnelTrust(authorities, 'example.com', () => now);
    const before = authorities.service.certificate;
    const next = authorities.rotating.service.next!.signer.certificate;
    stepsTaken();

    await rotation.anchorsKept('c-1', [fingerprintOf(before)]);
    assert.equal((await rotation.list()).find(one => one.state === 'announced')?.waitsFor.length, 2);
    await rotation.anchorsKept('c-1', [fingerprintOf(before), fingerprintOf(next)]);
    assert.equal(authorities.service.certificate, before);
    await markRevoked(bench.db, 'c-2', now);
    await rotation.advance();

    assert.equal(authorities.service.certificate, next);
    assert.deepEqual(stepsTaken(), ['service signing']);
    const trust = await tunnelTrust();
    assert.deepEqual(trust.anchors, [before, next], 'a backup from before still finds its connectors');
    assert.ok(new X509Certificate(trust.certificate).verify(new X509Certificate(next).publicKey));
  });

  test('is forgotten when no backup that is worth anything has it any more', async () => {
    now += 183 * dayMs;

    await rotation.advance();

    assert.deepEqual(await statesOf('service'), ['signing']);
  });
});

test('authorities are exchanged by themselves a year before they expire, and once', async () => {
  stepsTaken();
  const { validToDate } = new X509Certificate(bench.authorities.service.certificate);
  // Nobody is waited for that has expired long ago.
  now = validToDate.getTime() - 366 * dayMs;
  await rotation.advance();
  assert.deepEqual(
    stepsTaken().filter(step => step.startsWith('service')),
    [],
  );
  now += 2 * dayMs;

  await rotation.advance();
  await rotation.advance();

  assert.deepEqual(
    stepsTaken().filter(step => step.startsWith('service')),
    ['service announced', 'service signing'],
  );
  const end = new X509Certificate(bench.authorities.service.certificate).validToDate.getTime();
  assert.ok(end > now + 9 * 365 * dayMs);
});

test('a trust certificate does not outlive its authority', async () => {
  const { notAfter } = await bench.addConnector('c-late', { now: now + 9.9 * 365 * dayMs });

  const { validToDate } = new X509Certificate(bench.authorities.registration.certificate);
  assert.equal(notAfter, validToDate.getTime());
});
