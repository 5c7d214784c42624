import type { X509Certificate } from 'node:crypto';

const pemBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** Extended key usages that matter here (RFC 5280 §4.2.1.12). */
export const keyUsageOids = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const;

/** Cuts a PEM text into its certificates, each with a final newline. Anything between them is dropped. */
export function splitCertificates(pem: string): string[] {
  return Array.from(pem.matchAll(pemBlock), match => `${match[0]}\n`);
}

/** What administrators know as the thumbprint: SHA-1 of the DER, 40 upper-case hex digits. A name, not a proof. */
export function thumbprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint.replaceAll(':', '');
}

/** SHA-256 of the DER, 64 upper-case hex digits: what certificates are recorded and compared by. */
export function sha256Of(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '');
}

/** Serial number in upper-case hex, as OpenSSL prints it. */
export function serialOf(certificate: X509Certificate): string {
  return certificate.serialNumber.toUpperCase();
}

/** First and last moment of validity, in milliseconds since the epoch. */
export function validityOf(certificate: X509Certificate): { notBefore: number; notAfter: number } {
  return { notBefore: certificate.validFromDate.getTime(), notAfter: certificate.validToDate.getTime() };
}

/** DNS names of the subject alternative name, in lower case; what else may stand there is left out. */
export function dnsNamesOf(certificate: X509Certificate): string[] {
  const names = certificate.subjectAltName ?? '';
  // Node quotes a name that holds what would make the list ambiguous; no host name does.
  return names
    .split(', ')
    .filter(name => name.startsWith('DNS:'))
    .map(name => name.slice('DNS:'.length).toLowerCase());
}
