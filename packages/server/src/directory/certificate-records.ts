import type { Kysely } from 'kysely';
import type { CertificateRecord } from '../feed/messages.ts';
import { listCustomDomains } from '../store/custom-domains.ts';
import type { PublicCertificateRow } from '../store/public-certificates.ts';
import type { Database } from '../store/schema.ts';
import type { SealedSecrets } from '../store/sealed-secrets.ts';
import { servedNames } from './verified-domains.ts';

/** Under which name the key of a certificate is sealed. */
export function certificateKeyName(id: string): string {
  return `certificate-key:${id}`;
}

/** Certificates as relays need them, with their keys; those without a name that may be served are left out. */
export async function certificateRecords(
  db: Kysely<Database>,
  rows: readonly PublicCertificateRow[],
  ownDomain: string,
  secrets: SealedSecrets | null,
): Promise<CertificateRecord[]> {
  if (secrets === null || rows.length === 0) return [];
  const domains = await listCustomDomains(db);
  const records: CertificateRecord[] = [];
  for (const row of rows) {
    const names = servedNames(row, domains, ownDomain);
    const key = names.length === 0 ? null : await secrets.unseal(certificateKeyName(row.id), db);
    if (key === null) continue;
    const { id, pem: certificate, notBefore, notAfter, createdAt } = row;
    const privateKey = key.toString('utf8');
    records.push({ id, names, certificate, privateKey, notBefore, notAfter, createdAt });
  }
  return records;
}
