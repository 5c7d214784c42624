import { isIPv4 } from 'node:net';
import type { DomainDnsRecord, DomainFinding } from '@postern/protocol/admin/domains';
import { isWithin } from '@postern/protocol/x509/dns-names';
import type { Directory } from '../directory/directory.ts';
import { verificationLabel, verificationText } from '../directory/verified-domains.ts';
import { listAutomaticCertificates } from '../store/automatic-certificates.ts';
import { type CustomDomainRow, listCustomDomains } from '../store/custom-domains.ts';
import { listPublicCertificates } from '../store/public-certificates.ts';
import {
  type ChooseCertificate,
  certificateChooser,
  expiryWarningOf,
  publishedHosts,
} from './certificate-for-host.ts';
import { requireCustomDomain } from './custom-domains.ts';
import type { NameServers } from './name-servers.ts';

export interface DomainParts {
  readonly directory: Directory;
  readonly nameServers: NameServers;
  /** Of some hosts those that a certificate of the configuration covers now. */
  readonly coveredByFiles: (hosts: readonly string[]) => readonly string[];
}

const ttlSeconds = 3_600;

/** The TXT record that proves a domain. */
export function verificationRecords(row: CustomDomainRow): DomainDnsRecord[] {
  const label = `${verificationLabel}.${row.name}`;
  const text = verificationText(row);
  return [{ id: label, recordType: 'Txt', label, ttl: ttlSeconds, isOptional: false, text }];
}

/**
 * The records that lead people to the service: an alias for each published host, addresses at the name of the domain
 * itself, where no alias may be (RFC 1912 §2.4).
 */
export async function serviceRecords(parts: DomainParts, row: CustomDomainRow): Promise<DomainDnsRecord[]> {
  const target = serviceName(parts);
  const hosts = await hostsOf(parts, row);
  const records: DomainDnsRecord[] = [];
  for (const label of hosts) {
    const common = { label, ttl: ttlSeconds, isOptional: false };
    if (label !== row.name) {
      records.push({ ...common, id: `${label} CName`, recordType: 'CName', canonicalName: target });
      continue;
    }
    for (const ipAddress of await parts.nameServers.addresses(target).catch(() => [])) {
      const recordType = isIPv4(ipAddress) ? 'A' : 'Aaaa';
      records.push({ ...common, id: `${label} ${ipAddress}`, recordType, ipAddress });
    }
  }
  return records;
}

/**
 * Looks whether the hosts of a domain lead here, and whether a certificate covers each.
 *
 * @throws DirectoryError `not_found`
 */
export async function checkDomain(parts: DomainParts, name: string): Promise<DomainFinding[]> {
  const { directory } = parts;
  const row = await requireCustomDomain(directory.db, name);
  const hosts = await hostsOf(parts, row);
  const choose = certificateChooser(
    await listPublicCertificates(directory.db),
    await listCustomDomains(directory.db),
    directory.address.domain,
    directory.now(),
  );
  const findings: DomainFinding[] = [];
  for (const host of hosts) {
    findings.push(await checkDns(parts, row, host), await checkCertificate(parts, choose, host));
  }
  return findings;
}

/** Published hosts; where nothing is published yet, what would be the first. */
async function hostsOf({ directory }: DomainParts, { name }: CustomDomainRow): Promise<string[]> {
  const hosts = (await publishedHosts(directory.db)).filter(host => isWithin(host, name));
  return hosts.length === 0 ? [name] : hosts;
}

/** What custom names are aliases of: a name of the service that is always there. */
function serviceName({ directory }: DomainParts): string {
  return `connect.${directory.address.domain}`;
}

async function checkDns(parts: DomainParts, { name }: CustomDomainRow, host: string): Promise<DomainFinding> {
  const target = serviceName(parts);
  const record =
    host === name
      ? `Create A (and AAAA) records for ${host} with the addresses of ${target}.`
      : `Create the record: ${host} CNAME ${target}.`;
  const finding = (status: DomainFinding['status'], detail: string, remedy: string | null) =>
    ({ host, check: 'dns', status, detail, remedy }) as const;
  try {
    const [found, own] = await Promise.all([
      parts.nameServers.addresses(host.replace('*', 'postern-check')),
      parts.nameServers.addresses(target),
    ]);
    if (own.length === 0) {
      return finding('failed', `${target} has no address.`, 'Create the DNS records of the service itself.');
    }
    if (found.length === 0) return finding('failed', `${host} has no address.`, record);
    const elsewhere = found.filter(address => !own.includes(address));
    if (elsewhere.length === 0)
      return finding('ok', `${host} leads to the service (${found.join(', ')}).`, null);
    const status = elsewhere.length < found.length ? 'warning' : 'failed';
    return finding(
      status,
      `${host} leads to ${elsewhere.join(', ')}; the service is at ${own.join(', ')}.`,
      `${record} Where something in front of the service passes connections on, this is as it should be.`,
    );
  } catch (error) {
    const remedy = 'See that this machine can ask its name servers, or name others in domains.nameServers.';
    return finding('failed', `The DNS cannot be asked: ${(error as Error).message}.`, remedy);
  }
}

async function checkCertificate(
  parts: DomainParts,
  choose: ChooseCertificate,
  host: string,
): Promise<DomainFinding> {
  const { directory } = parts;
  const finding = (status: DomainFinding['status'], detail: string, remedy: string | null) =>
    ({ host, check: 'certificate', status, detail, remedy }) as const;
  if (parts.coveredByFiles([host]).length > 0) {
    return finding('ok', 'A certificate of the configuration (certificates.files) covers it.', null);
  }
  const certificate = choose(host);
  const upload = 'Upload one: "postern certificate upload".';
  if (certificate === null) {
    const row = (await listAutomaticCertificates(directory.db)).find(({ namesJson }) =>
      (JSON.parse(namesJson) as string[]).includes(host),
    );
    if (row === undefined) return finding('failed', `No certificate covers ${host}.`, upload);
    const why = row.lastError === null ? 'it has not been tried yet' : row.lastError;
    return finding('failed', `No certificate covers ${host}; getting one: ${why}`, row.lastRemedy ?? upload);
  }
  const until = new Date(certificate.notAfter).toISOString();
  const which = `the certificate ${certificate.thumbprint}`;
  const warning = expiryWarningOf(certificate, directory.now());
  if (warning === 0) return finding('failed', `${which} expired on ${until}.`, upload);
  if (warning !== null) return finding('warning', `${which} is valid only until ${until}.`, upload);
  return finding('ok', `${which} covers it until ${until}.`, null);
}
