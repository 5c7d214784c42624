import 'reflect-metadata';
import { CRLDistributionPointsExtension, X509Certificate, X509Crl } from '@peculiar/x509';

/** Where a certificate says that its revocation list is (RFC 5280 §4.2.1.13). @param pem One certificate. */
export function revocationListUrls(pem: string): string[] {
  const extension = new X509Certificate(pem).getExtension(CRLDistributionPointsExtension);
  return (extension?.distributionPoints ?? []).flatMap(point =>
    (point.distributionPoint?.fullName ?? []).flatMap(name => name.uniformResourceIdentifier ?? []),
  );
}

/** Reads a revocation list; null for what is none. @param bytes DER. */
export function readRevocationList(bytes: Buffer): { readonly nextUpdate: string | null } | null {
  try {
    return { nextUpdate: new X509Crl(bytes).nextUpdate?.toISOString() ?? null };
  } catch {
    return null;
  }
}
