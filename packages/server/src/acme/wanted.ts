import { isWithin } from '@postern/protocol/x509/dns-names';
import { proves } from '../directory/verified-domains.ts';
import type { CustomDomainRow } from '../store/custom-domains.ts';

export type ChallengeKind = 'http-01' | 'tls-alpn-01' | 'dns-01';

/** A certificate that the service wants to have. */
export interface WantedCertificate {
  /** Its names in order, with commas. */
  readonly key: string;
  readonly names: readonly string[];
  /** Ways to prove it, the preferred one first; empty where there is none. */
  readonly challenges: readonly ChallengeKind[];
  /** The domain that is proved with it; null where it is already. */
  readonly proves: string | null;
}

export interface WantedInput {
  readonly ownDomain: string;
  /** The service's own hosts and the published ones, without those that have a certificate of another origin. */
  readonly hosts: readonly string[];
  readonly domains: readonly CustomDomainRow[];
  /** Of the domains that are not proved those that lead here, without those that have a certificate. */
  readonly domainsToProve: readonly string[];
  /** As configured. */
  readonly challenges: readonly ChallengeKind[];
}

/**
 * The certificates that are wanted: one for each host; where records can be made, one for each zone with a wildcard, and
 * hosts below that by themselves.
 */
export function wantedCertificates(input: WantedInput): WantedCertificate[] {
  const { ownDomain, hosts, domains, domainsToProve, challenges } = input;
  const wanted = new Map<string, WantedCertificate>();
  const add = (names: readonly string[], proves: string | null) => {
    const sorted = [...names].sort();
    const key = sorted.join(',');
    const hasWildcard = sorted.some(name => name.startsWith('*.'));
    const usable = hasWildcard ? challenges.filter(kind => kind === 'dns-01') : challenges;
    if (!wanted.has(key)) wanted.set(key, { key, names: sorted, challenges: usable, proves });
  };
  for (const host of hosts) {
    const zone = zoneOf(host, ownDomain, domains);
    if (zone === null) continue;
    const isForZone = challenges.includes('dns-01') && zone.isWhole && coversWithWildcard(zone.name, host);
    add(isForZone ? [zone.name, `*.${zone.name}`] : [host], null);
  }
  for (const name of domainsToProve) add([name], name);
  return [...wanted.values()];
}

interface Zone {
  readonly name: string;
  /** Everything below it is ours, too. */
  readonly isWhole: boolean;
}

/** The domain that a host belongs to; null where no certificate is to be got for it. */
function zoneOf(host: string, ownDomain: string, domains: readonly CustomDomainRow[]): Zone | null {
  if (isWithin(host, ownDomain)) return { name: ownDomain, isWhole: true };
  const [nearest] = domains
    .filter(domain => proves(domain, host))
    .sort((one, other) => other.name.length - one.name.length);
  if (nearest === undefined || nearest.automaticCertificates === 0) return null;
  return { name: nearest.name, isWhole: nearest.verifiedBy !== 'acme' };
}

function coversWithWildcard(zone: string, host: string): boolean {
  return host === zone || host.slice(host.indexOf('.') + 1) === zone;
}
