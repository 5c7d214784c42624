import type { X509Certificate } from 'node:crypto';
import type { RefusalReason } from '@postern/protocol/tunnel/messages';
import type { ConnectorRecord } from '../feed/messages.ts';

/** What the TLS handshake at the tunnel listener showed. */
export interface PresentedCertificate {
  readonly certificate: X509Certificate | undefined;
  /** OpenSSL's word on the chain, empty where it found nothing wrong. */
  readonly chainError: string;
  /** A resumed session proves no private key. */
  readonly isResumed: boolean;
}

export type Verdict =
  | {
      readonly accepted: true;
      readonly connector: ConnectorRecord;
      /** Of the certificate's DER, upper-case hex. */
      readonly sha256: string;
    }
  | { readonly accepted: false; readonly reason: RefusalReason; readonly detail: string };

const clientAuthentication = '1.3.6.1.5.5.7.3.2';

/**
 * Whether a tunnel may be used, decided before its first byte is read. Only an explicit yes accepts; chain, dates, usage
 * and our own record of the certificate must all say so (threats G4, G5, G12).
 *
 * @param findConnector The connector that a certificate was issued to, by SHA-256 of the DER.
 * @param now Milliseconds since the epoch.
 */
export function judge(
  presented: PresentedCertificate,
  findConnector: (sha256: string) => ConnectorRecord | undefined,
  now: number,
): Verdict {
  const { certificate, chainError } = presented;
  if (presented.isResumed) return refuse('no_certificate', 'a resumed session proves no private key');
  if (certificate === undefined) return refuse('no_certificate', 'the connector presented no certificate');
  if (now > certificate.validToDate.getTime()) {
    return refuse('expired', `the trust certificate expired on ${certificate.validToDate.toISOString()}`);
  }
  if (now < certificate.validFromDate.getTime()) {
    return refuse(
      'not_yet_valid',
      `the trust certificate is valid from ${certificate.validFromDate.toISOString()}`,
    );
  }
  // OpenSSL's word for a usage that is not ours; the chain itself it finds in order.
  if (chainError === 'INVALID_PURPOSE') return refuseUsage();
  if (chainError !== '')
    return refuse('unknown_issuer', `the certificate chain was not accepted: ${chainError}`);
  if (certificate.ca) return refuse('wrong_usage', 'the certificate is an authority, not a connector');
  const usages = certificate.keyUsage as readonly string[] | undefined;
  if (usages === undefined || !usages.includes(clientAuthentication)) {
    return refuseUsage();
  }
  const sha256 = certificate.fingerprint256.replaceAll(':', '');
  const connector = findConnector(sha256);
  if (connector === undefined) return refuse('unknown_certificate', 'this certificate is not on record');
  const record = connector.certificates.find(one => one.sha256 === sha256);
  if (connector.revoked || record === undefined || record.revoked) {
    return refuse('revoked', 'this connector was revoked');
  }
  return { accepted: true, connector, sha256 };
}

function refuseUsage(): Verdict {
  return refuse('wrong_usage', 'the certificate is not meant for client authentication');
}

function refuse(reason: RefusalReason, detail: string): Verdict {
  return { accepted: false, reason, detail };
}
