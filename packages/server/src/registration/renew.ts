import { createHash, type KeyObject } from 'node:crypto';
import type { RenewalAnswer, RenewalRefusal } from '@postern/protocol/tunnel/messages';
import type { Kysely } from 'kysely';
import type { RenewalRequest } from '../feed/messages.ts';
import { checkRenewal, type RenewalClaim, recordRenewal } from '../store/certificate-renewals.ts';
import type { Database } from '../store/schema.ts';
import type { Authorities } from './authorities.ts';
import { issueTrustCertificate } from './issue.ts';
import { checkProof, ProofError } from './proof.ts';
import { backDatedMs } from './signer.ts';

export interface RenewalParts {
  readonly db: Kysely<Database>;
  readonly authorities: Authorities;
  /** Tells the relays of a connector; resolves when they know it, so that the new certificate is not refused. */
  readonly publishConnector: (connectorId: string) => Promise<unknown> | void;
  readonly record: (event: RenewalEvent) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export type RenewalEvent =
  | {
      readonly kind: 'certificate_renewed';
      readonly connectorId: string;
      readonly thumbprint: string;
      /** Milliseconds since the epoch. */
      readonly notAfter: number;
    }
  | {
      readonly kind: 'certificate_renewal_refused';
      readonly connectorId: string;
      readonly code: RenewalRefusal;
    };

/** A connector renews twice a year; what asks more often than this in a day is broken, and fills the books. */
const maxRenewalsADay = 20;
const dayMs = 86_400_000;

const messages: Readonly<Record<Exclude<RenewalRefusal, 'bad_proof' | 'weak_key'>, string>> = {
  revoked: 'this connector was revoked',
  expired: 'the certificate that this tunnel was opened with has expired',
  unknown_certificate: 'the certificate that this tunnel was opened with is not on record',
  proof_already_used: 'this key has been certified already; each renewal needs a new one',
  too_many: `this connector has been given ${maxRenewalsADay} certificates within a day`,
  unavailable: 'the service could not issue or record the certificate',
};

/**
 * Issues a new trust certificate to the connector whose tunnel asks for it. Who it is, the tunnel's certificate says and
 * nothing else (threat G3); the names in the new one are the service's. Earlier certificates stay valid until they expire,
 * so that a connector which never gets the answer has lost nothing.
 */
export async function renewTrustCertificate(
  parts: RenewalParts,
  request: RenewalRequest,
): Promise<RenewalAnswer> {
  const { connectorId, certificateSha256 } = request;
  const now = parts.now();
  const claim: RenewalClaim = {
    connectorId,
    certificateSha256,
    now,
    recentSince: now - backDatedMs - dayMs,
    maxRecent: maxRenewalsADay,
  };
  const refuse = (code: RenewalRefusal, message: string): RenewalAnswer => {
    parts.record({ kind: 'certificate_renewal_refused', connectorId, code });
    return { error: { code, message } };
  };
  const checked = await checkRenewal(parts.db, claim);
  if (typeof checked === 'string') return refuse(checked, messages[checked]);
  let publicKey: KeyObject;
  try {
    publicKey = checkProof(request.proofCertificate);
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return refuse(error.code, error.message);
  }
  const { registration, trustCertificateMs } = parts.authorities;
  const { machineName } = checked;
  const issued = await issueTrustCertificate(registration, {
    publicKey,
    connectorId,
    machineName,
    lifetimeMs: trustCertificateMs,
    now,
  });
  const row = { ...issued, connectorId, revokedAt: null };
  const outcome = await recordRenewal(parts.db, claim, row, hashOf(publicKey));
  if (outcome !== 'recorded') return refuse(outcome, messages[outcome]);
  // Before the answer: the connector opens a tunnel with the certificate as soon as it has it.
  await parts.publishConnector(connectorId);
  const { thumbprint, notAfter } = issued;
  parts.record({ kind: 'certificate_renewed', connectorId, thumbprint, notAfter });
  return { certificate: issued.pem, issuerCertificates: [registration.certificate] };
}

function hashOf(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('hex').toUpperCase();
}
