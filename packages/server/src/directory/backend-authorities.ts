import { X509Certificate } from 'node:crypto';
import { splitCertificates } from '@postern/protocol/x509/certificate';
import { invalid } from './directory-error.ts';

const maxCertificates = 10;
const property = 'backendCertificateAuthorities';

/**
 * Checks certificates that connectors are to trust for an application's backends, and gives them as PEM without
 * anything between them.
 *
 * @throws DirectoryError `invalid`, saying which one cannot be used and why.
 */
export function parseBackendAuthorities(text: string): string {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw invalid(property, 'The text holds a private key. Give the certificates alone.');
  }
  const certificates = splitCertificates(text);
  if (certificates.length === 0) {
    throw invalid(
      property,
      'There is no certificate in it. It must be PEM: "-----BEGIN CERTIFICATE-----", base64, "-----END CERTIFICATE-----"; or null for none.',
    );
  }
  if (certificates.length > maxCertificates) {
    throw invalid(
      property,
      `It has ${certificates.length} certificates; at most ${maxCertificates} can be given.`,
    );
  }
  for (const [at, pem] of certificates.entries()) {
    if (!isReadable(pem)) {
      throw invalid(
        property,
        `Certificate ${at + 1} of ${certificates.length} cannot be read. Was it copied whole?`,
      );
    }
  }
  return certificates.join('');
}

function isReadable(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}
