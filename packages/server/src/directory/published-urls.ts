import { BlockList, isIP } from 'node:net';
import { normalizePublishedUrl } from '@postern/protocol/admin/publishing';
import { reservedLabels } from '../config/names.ts';
import type { CustomDomainRow } from '../store/custom-domains.ts';
import { DirectoryError, invalid } from './directory-error.ts';
import { domainOf, proves, verificationLabel, verificationText } from './verified-domains.ts';
import { checkWildcard } from './wildcard-urls.ts';

/** Where the service is reached. */
export interface ServiceAddress {
  readonly domain: string;
  readonly publicPort: number;
  /** Names of the fields that tell backends who is asking, which no application may set; by what they carry. */
  readonly identityHeaders?: Readonly<Record<string, string>>;
}

/** Paths below it belong to the service on every application's host. */
const reservedPath = '/.postern/';

const hostLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Checks an external URL and gives it as it is stored: lower-case host, no port, path ending in `/`. The port is the
 * service's, which may change, and is added where the URL is shown (`externalUrlOf`).
 *
 * @param domains Custom domains; under those that are proved it may lie, too.
 * @throws DirectoryError `invalid`
 */
export function parseExternalUrl(
  text: string,
  { domain, publicPort }: ServiceAddress,
  domains: readonly CustomDomainRow[] = [],
): string {
  const normal = normalizePublishedUrl(text);
  const url = normal === null ? null : URL.parse(normal);
  if (url === null || url.protocol !== 'https:') {
    throw refuseExternal(`It must be an https address such as https://wiki.${domain}/.`);
  }
  const port = url.port === '' ? 443 : Number(url.port);
  if (url.port !== '' && port !== publicPort) {
    throw refuseExternal(`Its port must be the service's public port, ${publicPort}; leave the port out.`);
  }
  checkWildcard('externalUrl', url);
  // A wildcard may stand wherever one of its hosts may.
  checkExternalHost(url.hostname.replace(/^\*\./, 'any.'), domain, domains);
  if (url.pathname.startsWith(reservedPath)) {
    throw refuseExternal(`Paths below ${reservedPath} belong to the service on every host.`);
  }
  return `https://${url.hostname}${checkPath('externalUrl', text, url.pathname)}`;
}

/**
 * Checks an alternate URL as an external one.
 *
 * @throws DirectoryError `invalid`
 */
export function parseAlternateUrl(
  text: string,
  address: ServiceAddress,
  domains: readonly CustomDomainRow[],
): string {
  try {
    const url = parseExternalUrl(text, address, domains);
    if (!url.includes('*')) return url;
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    throw invalid('alternateUrl', error.message.replace('external URL', 'alternate URL'));
  }
  throw invalid('alternateUrl', 'The alternate URL cannot be a wildcard. Example: https://wiki.example.com/');
}

function checkExternalHost(host: string, domain: string, domains: readonly CustomDomainRow[]): void {
  if (!host.endsWith(`.${domain}`)) {
    checkCustomHost(host, domain, domains);
    return;
  }
  const labels = host.slice(0, -domain.length - 1).split('.');
  if (host.length > 253 || !labels.every(label => hostLabel.test(label))) {
    throw refuseExternal('Its host may consist of letters, digits, hyphens and dots only.');
  }
  if (reservedLabels.has(labels[labels.length - 1])) {
    throw refuseExternal(`${host} belongs to the service itself; choose another name.`);
  }
}

function checkCustomHost(host: string, domain: string, domains: readonly CustomDomainRow[]): void {
  const custom = domainOf(host, domains);
  if (custom === null) {
    throw refuseExternal(
      `Its host must be a name under ${domain}, such as wiki.${domain}, or under a custom domain: "postern domain add" adds one.`,
    );
  }
  if (custom.verifiedAt === null) {
    throw refuseExternal(
      `The domain ${custom.name} is not verified yet. Create the TXT record ${verificationLabel}.${custom.name} with the text "${verificationText(custom)}", then run "postern domain verify ${custom.name}".`,
    );
  }
  if (!proves(custom, host)) {
    throw refuseExternal(
      `Only ${custom.name} itself is proved, by its certificate, and no name under it. Create the TXT record ${verificationLabel}.${custom.name} with the text "${verificationText(custom)}", then run "postern domain verify ${custom.name}".`,
    );
  }
  if (host.length > 253 || !host.split('.').every(label => hostLabel.test(label))) {
    throw refuseExternal('Its host may consist of letters, digits, hyphens and dots only.');
  }
}

/** An external URL as people type it: with the service's public port where that is not 443. */
export function externalUrlOf(stored: string, { publicPort }: ServiceAddress): string {
  if (publicPort === 443) return stored;
  const url = new URL(stored);
  url.port = String(publicPort);
  return url.href;
}

/**
 * The external URL of an application that does not say one: its name as a label under the domain.
 *
 * @throws DirectoryError `invalid` if the name holds no letter or digit to make a label from.
 */
export function defaultExternalUrl(displayName: string, address: ServiceAddress): string {
  const label = displayName
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
  if (label === '') throw refuseExternal('The name gives no address; say the external URL.');
  return parseExternalUrl(`https://${label}.${address.domain}/`, address);
}

/**
 * Addresses that are no application's: they name the machine that dials rather than a host, hand out a cloud machine's
 * credentials, or reach many hosts at once. Loopback is not among them, because a connector may run beside its backend;
 * what it may dial is also its own decision.
 */
const refusedAddresses = new BlockList();
refusedAddresses.addSubnet('0.0.0.0', 8, 'ipv4');
refusedAddresses.addSubnet('169.254.0.0', 16, 'ipv4');
refusedAddresses.addSubnet('224.0.0.0', 3, 'ipv4');
refusedAddresses.addAddress('::', 'ipv6');
refusedAddresses.addSubnet('fe80::', 10, 'ipv6');
refusedAddresses.addSubnet('ff00::', 8, 'ipv6');
refusedAddresses.addAddress('fd00:ec2::254', 'ipv6');

/**
 * Checks an internal URL and gives it in its one form. The URL standard turns decimal, octal and hexadecimal addresses
 * into dotted ones first, and IPv4 addresses written as IPv6 are looked up as what they are.
 *
 * @throws DirectoryError `invalid`
 */
export function parseInternalUrl(text: string): string {
  const normal = normalizePublishedUrl(text);
  const url = normal === null ? null : URL.parse(normal);
  if (url === null) {
    throw invalid(
      'internalUrl',
      'The internal URL must be an http or https address such as http://wiki.corp.example:8080/.',
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const family = isIP(host);
  if (family !== 0 && refusedAddresses.check(host, family === 4 ? 'ipv4' : 'ipv6')) {
    throw invalid(
      'internalUrl',
      `The internal URL must not lead to ${host}, which is no application's address.`,
    );
  }
  if (url.port === '0') throw invalid('internalUrl', 'The internal URL must not have port 0.');
  checkWildcard('internalUrl', url);
  checkPath('internalUrl', text, url.pathname);
  return url.href;
}

/**
 * The path must mean as it stands what the URL standard makes of it, and to every backend the same: no dot segments,
 * however written, no `//`, no path parameters, nothing encoded twice.
 */
function checkPath(property: 'externalUrl' | 'internalUrl', text: string, path: string): string {
  const given = /^[a-z]+:\/\/[^/\s]+(\/\S*)?$/i.exec(text.trim());
  if (given === null || /\/\.{1,2}(\/|$)|\/\/|%2e|;|%3b|%25/i.test(given[1] ?? '/')) {
    throw invalid(
      property,
      `The ${property} must not contain spaces, "//", "/./", "/../", ";" or "%25" in its path.`,
    );
  }
  return path;
}

function refuseExternal(reason: string) {
  return invalid('externalUrl', `The external URL cannot be used. ${reason}`);
}
