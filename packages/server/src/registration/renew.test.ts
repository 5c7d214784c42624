import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createKey } from '@postern/connector/identity/proof';
import type { RenewalAnswer } from '@postern/protocol/tunnel/messages';
import { keyUsageOids, sha256Of } from '@postern/protocol/x509/certificate';
import { markRevoked } from '../store/connectors.ts';
import type { IssuedCertificate } from './issue.ts';
import { type RenewalEvent, renewTrustCertificate } from './renew.ts';
import { RegistrationBench } from './testing.ts';

const dayMs = 86_400_000;
const start = Date.UTC(2026, 0, 1);

let bench: RegistrationBench;
let now = start;
let published: string[] = [];
let events: RenewalEvent[] = [];

before(async () => {
  bench = await RegistrationBench.open(() => start);
});
after(() => bench[Symbol.asyncDispose]());
beforeEach(() => {
  now = start;
  published = [];
  events = [];
});

/** A connector on record, with a certificate of the time that the test's clock shows. */
function connector(connectorId: string): Promise<IssuedCertificate> {
  return bench.addConnector(connectorId, { now });
}

async function renew(connectorId: string, shown: string, proof?: string): Promise<RenewalAnswer> {
  const proofCertificate = proof ?? (await createKey('p384')).proofCertificate;
  return renewTrustCertificate(
    {
      db: bench.db,
      authorities: bench.authorities,
      publishConnector: id => void published.push(id),
      record: event => void events.push(event),
      now: () => now,
    },
    { connectorId, certificateSha256: shown, proofCertificate },
  );
}

async function assertRefused(answer: Promise<RenewalAnswer>, code: string): Promise<void> {
  const refusal = await answer;
  assert.equal('error' in refusal ? refusal.error.code : 'issued', code);
  assert.deepEqual(published, []);
}

function certificateOf(answer: RenewalAnswer): X509Certificate {
  assert.ok('certificate' in answer, JSON.stringify(answer));
  return new X509Certificate(answer.certificate);
}

test('a connector gets another certificate for its new key, on record and published before it is handed over', async () => {
  const first = await connector('c-1');
  now = start + 120 * dayMs;
  const { privateKey, proofCertificate } = await createKey('rsa3072');

  const answer = await renew('c-1', first.sha256, proofCertificate);

  const certificate = certificateOf(answer);
  assert.equal(certificate.subject, 'CN=c-1\nO=srv-01');
  assert.equal(certificate.issuer, 'CN=connectorregistrationca.example.com');
  assert.equal(certificate.signatureAlgorithm, 'sha512WithRSAEncryption');
  assert.deepEqual(certificate.keyUsage, [keyUsageOids.clientAuth]);
  assert.equal(
    createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }),
    certificate.publicKey.export({ type: 'spki', format: 'pem' }),
  );
  assert.equal(certificate.validFromDate.getTime(), now - 2 * dayMs);
  assert.equal(certificate.validToDate.getTime(), now + 180 * dayMs);
  assert.deepEqual(published, ['c-1']);
  assert.deepEqual(
    events.map(({ kind, connectorId }) => [kind, connectorId]),
    [['certificate_renewed', 'c-1']],
  );
  const rows = await bench.db
    .selectFrom('connectorCertificate')
    .select(['sha256', 'revokedAt'])
    .where('connectorId', '=', 'c-1')
    .orderBy('notBefore')
    .execute();
  assert.deepEqual(
    rows.map(row => ({ ...row })),
    [
      { sha256: first.sha256, revokedAt: null },
      { sha256: sha256Of(certificate), revokedAt: null },
    ],
  );
});

test('the renewed certificate renews in its turn, and so does the one before it while it is valid', async () => {
  const first = await connector('c-2');
  now = start + 100 * dayMs;
  const second = certificateOf(await renew('c-2', first.sha256));

  certificateOf(await renew('c-2', sha256Of(second)));
  certificateOf(await renew('c-2', first.sha256));
});

describe('nobody renews', () => {
  test('with another connector’s certificate', async () => {
    const own = await connector('c-3');
    await connector('c-4');

    await assertRefused(renew('c-4', own.sha256), 'unknown_certificate');
  });

  test('with a certificate that is not on record', async () => {
    await connector('c-5');

    await assertRefused(renew('c-5', 'A'.repeat(64)), 'unknown_certificate');
  });

  test('for a connector that was revoked', async () => {
    const { sha256 } = await connector('c-6');
    await markRevoked(bench.db, 'c-6', now);

    await assertRefused(renew('c-6', sha256), 'revoked');
    assert.deepEqual(events, [{ kind: 'certificate_renewal_refused', connectorId: 'c-6', code: 'revoked' }]);
  });

  test('with a certificate that was revoked', async () => {
    const { sha256 } = await connector('c-7');
    await bench.db
      .updateTable('connectorCertificate')
      .set({ revokedAt: now })
      .where('sha256', '=', sha256)
      .execute();

    await assertRefused(renew('c-7', sha256), 'revoked');
  });

  test('with a certificate that has expired while its tunnel stayed up', async () => {
    const { sha256, notAfter } = await connector('c-8');
    now = notAfter + 1_000;

    await assertRefused(renew('c-8', sha256), 'expired');
  });

  test('with a proof that is none', async () => {
    const { sha256, pem } = await connector('c-9');

    await assertRefused(renew('c-9', sha256, 'nonsense'), 'bad_proof');
    // Its own certificate is signed by somebody else.
    await assertRefused(renew('c-9', sha256, pem), 'bad_proof');
  });

  test('twice with one key, even at the same moment', async () => {
    const { sha256 } = await connector('c-10');
    const { proofCertificate } = await createKey('p384');

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => renew('c-10', sha256, proofCertificate)),
    );

    assert.equal(answers.filter(answer => 'certificate' in answer).length, 1);
    const codes = new Set(answers.flatMap(answer => ('error' in answer ? [answer.error.code] : [])));
    assert.deepEqual([...codes], ['proof_already_used']);
  });

  test('more often than a working connector would', async () => {
    const { sha256 } = await connector('c-11');
    for (let count = 1; count < 20; count++) certificateOf(await renew('c-11', sha256));
    published = [];

    await assertRefused(renew('c-11', sha256), 'too_many');

    now += 2 * dayMs;
    certificateOf(await renew('c-11', sha256));
  });
});
