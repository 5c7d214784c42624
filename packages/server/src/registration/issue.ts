import { type KeyObject, X509Certificate } from 'node:crypto';
import { serialOf, sha256Of, thumbprintOf, validityOf } from '@postern/protocol/x509/certificate';
import { backDatedMs, type Signer, wholeSeconds } from './signer.ts';

/** How long a trust certificate is valid from its issue on, where nothing else is configured. */
const trustCertificateMs = 180 * 86_400_000;

/** Upper bound of X.520's organizationName (RFC 5280 appendix A). */
const maxOrganizationLength = 64;

export interface IssueRequest {
  readonly publicKey: KeyObject;
  readonly connectorId: string;
  readonly machineName: string;
  /** How long it is valid from now on; default 180 days. */
  readonly lifetimeMs?: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A certificate with the facts that are recorded of it; hexadecimal is upper case, times in milliseconds. */
export interface IssuedCertificate {
  readonly pem: string;
  readonly serial: string;
  readonly sha256: string;
  readonly thumbprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * Issues the trust certificate of a connector. Registration and renewal both end here; each brings a new key, and no
 * earlier certificate becomes invalid.
 */
export async function issueTrustCertificate(
  signer: Signer,
  request: IssueRequest,
): Promise<IssuedCertificate> {
  // A certificate that outlived its authority would read as one of an unknown issuer, and not as one that has expired.
  const authorityEnd = validityOf(new X509Certificate(signer.certificate)).notAfter;
  const wantedEnd = request.now + (request.lifetimeMs ?? trustCertificateMs);
  const pem = await signer.issue({
    publicKey: request.publicKey,
    commonName: request.connectorId,
    organization: request.machineName.slice(0, maxOrganizationLength),
    usage: 'clientAuth',
    notBefore: wholeSeconds(request.now - backDatedMs),
    notAfter: wholeSeconds(Math.min(wantedEnd, authorityEnd)),
  });
  const certificate = new X509Certificate(pem);
  return {
    pem,
    serial: serialOf(certificate),
    sha256: sha256Of(certificate),
    thumbprint: thumbprintOf(certificate),
    ...validityOf(certificate),
  };
}
