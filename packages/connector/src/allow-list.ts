import { BlockList, isIP } from 'node:net';
import { isWildcardHost, wildcardLabels } from '@postern/protocol/tunnel/wildcard-host';

/**
 * What this connector may dial, as its own administrator says. It narrows what the service has configured and never
 * widens it. Entries are alternatives:
 *
 * - `10.1.0.0/16`, `2001:db8::/32`, `10.1.2.3`: addresses, compared with the address that is actually dialled;
 * - `wiki.corp.example:443`, `wiki.corp.example`, `10.1.2.3:80`, `[2001:db8::1]:80`: hosts as the application names
 *   them, with a port or with any; whatever such a name resolves to is allowed;
 * - `*.corp.example:443`, `*.corp.example`: every host under a name, likewise.
 *
 * Without entries everything configured may be dialled, save for link-local addresses and the one that AWS has beside
 * them: clouds give away credentials of machines there (169.254.169.254, fd00:ec2::254).
 */
export class AllowList {
  readonly #hosts = new Set<string>();
  readonly #wildcards: { readonly wildcard: string; readonly port: number | null }[] = [];
  readonly #networks = new BlockList();
  readonly #isEmpty: boolean;

  /** @throws RangeError naming the entry that cannot be understood. */
  constructor(entries: readonly string[] = []) {
    this.#isEmpty = entries.length === 0;
    for (const entry of entries) this.#add(entry.trim());
  }

  /** Whether the host of an application may be dialled whatever address it has. */
  allowsHost(host: string, port: number): boolean {
    const name = normalName(host);
    if (this.#hosts.has(name) || this.#hosts.has(`${name} ${port}`)) return true;
    return this.#wildcards.some(
      one => (one.port === null || one.port === port) && wildcardLabels(one.wildcard, name) !== null,
    );
  }

  /** Whether an address may be dialled whatever the host was called. */
  allowsAddress(address: string): boolean {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (this.#isEmpty) return !ofClouds.check(address, family);
    return this.#networks.check(address, family);
  }

  /** Whether a name may be dialled though nobody here can see its address. */
  get allowsAnyName(): boolean {
    return this.#isEmpty;
  }

  #add(entry: string): void {
    const slash = entry.indexOf('/');
    if (slash >= 0) return this.#addNetwork(entry, entry.slice(0, slash), entry.slice(slash + 1));
    if (isIP(entry) !== 0) return this.#networks.addAddress(entry, isIP(entry) === 6 ? 'ipv6' : 'ipv4');
    const parts = /^(\[[0-9A-Fa-f:.]+\]|(?:\*\.)?[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(entry);
    const port = parts?.[2] === undefined ? null : Number(parts[2]);
    if (!parts || (port !== null && (port < 1 || port > 65_535))) throw unusable(entry);
    const name = normalName(parts[1]!);
    if (isWildcardHost(name)) return void this.#wildcards.push({ wildcard: name, port });
    this.#hosts.add(port === null ? name : `${name} ${port}`);
  }

  #addNetwork(entry: string, address: string, prefixText: string): void {
    const version = isIP(address);
    const prefix = /^\d{1,3}$/.test(prefixText) ? Number(prefixText) : -1;
    if (version === 0 || prefix < 0 || prefix > (version === 6 ? 128 : 32)) throw unusable(entry);
    this.#networks.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4');
  }
}

const ofClouds = new BlockList();
ofClouds.addSubnet('169.254.0.0', 16, 'ipv4');
ofClouds.addSubnet('fe80::', 10, 'ipv6');
ofClouds.addAddress('fd00:ec2::254', 'ipv6');

function normalName(host: string): string {
  return host
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
}

function unusable(entry: string): RangeError {
  return new RangeError(
    `"${entry}" is no entry of an allow-list: give a network such as 10.0.0.0/8, or a host with or without a port`,
  );
}
