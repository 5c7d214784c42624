import { dueWarning } from '@postern/protocol/expiry';
import { wildcardOf } from '@postern/protocol/x509/dns-names';
import type { Kysely } from 'kysely';
import { storedPublishing } from '../directory/publishing.ts';
import { servedNames } from '../directory/verified-domains.ts';
import { type ApplicationRow, readAllApplications } from '../store/applications.ts';
import type { CustomDomainRow } from '../store/custom-domains.ts';
import type { PublicCertificateRow } from '../store/public-certificates.ts';
import type { Database } from '../store/schema.ts';

/** Of the store's certificates the one that a host gets; the edge chooses in the same order. */
export type ChooseCertificate = (host: string) => PublicCertificateRow | null;

/** @param certificates The newest first. */
export function certificateChooser(
  certificates: readonly PublicCertificateRow[],
  domains: readonly CustomDomainRow[],
  ownDomain: string,
  now: number,
): ChooseCertificate {
  const byName = new Map<string, PublicCertificateRow[]>();
  for (const certificate of certificates) {
    for (const name of servedNames(certificate, domains, ownDomain)) {
      const others = byName.get(name);
      if (others === undefined) byName.set(name, [certificate]);
      else others.push(certificate);
    }
  }
  const isValid = ({ notBefore, notAfter }: PublicCertificateRow) => notBefore <= now && now <= notAfter;
  return host => {
    const exact = byName.get(host);
    const wildcard = byName.get(wildcardOf(host));
    return exact?.find(isValid) ?? wildcard?.find(isValid) ?? exact?.[0] ?? wildcard?.[0] ?? null;
  };
}

/**
 * The warning that is due. What was uploaded is renewed by nobody but the administrator, however long it lives; what we
 * got is renewed at two thirds of its life, and days before that are no reason to worry.
 */
export function expiryWarningOf(row: PublicCertificateRow, now: number): number | null {
  const { source, notAfter } = row;
  return dueWarning(source === 'uploaded' ? { notBefore: 0, notAfter } : row, now);
}

/** Hosts at which something is published, without the service's own. */
export async function publishedHosts(db: Kysely<Database>): Promise<string[]> {
  return [...new Set((await readAllApplications(db)).flatMap(hostsOfApplication))].sort();
}

/** Of the external URL and the alternate one, or of the segments, beside which a wildcard publishes nothing; else it is one. */
export function hostsOfApplication(row: ApplicationRow): string[] {
  const publishing = storedPublishing(row);
  if (publishing === null) return [];
  const { externalUrl, alternateUrl, segments } = publishing;
  const urls = segments?.map(one => one.externalUrl) ?? [externalUrl];
  return (alternateUrl === null ? urls : [...urls, alternateUrl]).map(url => new URL(url).hostname);
}
