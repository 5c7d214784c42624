import { isWithin } from '@postern/protocol/x509/dns-names';
import type { CustomDomainRow } from '../store/custom-domains.ts';

/** Label of the TXT record that proves a domain: beside whatever stands at the name itself, a CNAME included. */
export const verificationLabel = '_postern';

/** What the TXT record of a domain has to say. */
export function verificationText({ verificationToken }: CustomDomainRow): string {
  return `postern-verification=${verificationToken}`;
}

/** The custom domain that decides over a name: of those above it a proved one, else the nearest; null for none. */
export function domainOf(name: string, domains: readonly CustomDomainRow[]): CustomDomainRow | null {
  const above = domains
    .filter(domain => isWithin(name, domain.name))
    .sort((one, other) => other.name.length - one.name.length);
  return above.find(domain => proves(domain, name)) ?? above[0] ?? null;
}

/** Whether a domain has been proved to be ours, for this name. What an ACME server looked at is one host. */
export function proves({ name: domain, verifiedAt, verifiedBy }: CustomDomainRow, name: string): boolean {
  if (verifiedAt === null) return false;
  return verifiedBy === 'acme' ? name === domain : isWithin(name, domain);
}

/** The names of a certificate that may be served: custom ones that are proved, and for our own certificates ours. */
export function servedNames(
  certificate: { readonly namesJson: string; readonly source: string },
  domains: readonly CustomDomainRow[],
  ownDomain: string,
): string[] {
  const names = JSON.parse(certificate.namesJson) as string[];
  return names.filter(name =>
    // Whoever uploads a certificate must not become the sign-in page.
    isWithin(name, ownDomain)
      ? certificate.source === 'automatic'
      : domains.some(domain => proves(domain, name)),
  );
}
