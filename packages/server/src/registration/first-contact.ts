import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { sha256Of, splitCertificates } from '@postern/protocol/x509/certificate';
import { type CertificateSources, certificateFiles, controlHosts } from '../config/names.ts';
import type { Config } from '../config/schema.ts';

/** Where a machine finds the service to register with, and how it recognises it the first time. */
export interface FirstContact {
  /** `connect.<domain>`. */
  readonly host: string;
  readonly port: number;
  /**
   * SHA-256 of the root that the service shows there, upper-case hex; null where it shows none, as with a certificate
   * from a public authority, and machines go by the authorities that they trust.
   */
  readonly rootSha256: string | null;
}

/** Reads it from the certificate files of this moment. */
export function readFirstContact(config: CertificateSources & Pick<Config, 'publicPort'>): FirstContact {
  const host = controlHosts(config).connect;
  const chains = certificateFiles(config).map(({ certificateFile }) => readChain(certificateFile));
  // As the edge chooses: the first that covers the name.
  const chain = chains.find(([leaf]) => leaf?.checkHost(host) !== undefined) ?? [];
  const root = chain.findLast(certificate => certificate.verify(certificate.publicKey));
  return { host, port: config.publicPort, rootSha256: root === undefined ? null : sha256Of(root) };
}

/** None for a file that cannot be read: connectors then have to trust the service without help. */
function readChain(file: string): X509Certificate[] {
  try {
    return splitCertificates(readFileSync(file, 'utf8')).map(pem => new X509Certificate(pem));
  } catch {
    return [];
  }
}
