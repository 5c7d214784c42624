import { BlockList, isIP } from 'node:net';
import { isLoopbackName } from './lookup-name.ts';

/** Hosts that are connected to directly. */
export class NoProxyList {
  readonly #names: { readonly name: string; readonly port: number | null }[] = [];
  readonly #networks = new BlockList();
  #coversAll = false;

  /**
   * @param text As in the variable NO_PROXY, separated by commas or blanks: `*` is everything; `corp.example` (also
   *   written `.corp.example` or `*.corp.example`) that name and all below it; `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`
   *   addresses, compared with hosts that are given as addresses, for names are the proxy's to resolve. A port may
   *   follow a name or an address: `wiki.corp.example:8443`, `[fd00::1]:443`. What is none of these covers nothing.
   */
  constructor(text: string) {
    for (const entry of text.split(/[\s,]+/)) if (entry !== '') this.#add(entry);
  }

  covers(host: string, port: number): boolean {
    const name = normalName(host);
    // On this machine itself: a proxy elsewhere would take it for its own (as Go and browsers do).
    if (isLoopbackName(name) || this.#isAddressIn(loopback, name)) return true;
    if (this.#coversAll || this.#isAddressIn(this.#networks, name)) return true;
    return this.#names.some(
      entry =>
        (entry.port === null || entry.port === port) && (name === entry.name || isBelow(name, entry.name)),
    );
  }

  #add(entry: string): void {
    if (entry === '*') {
      this.#coversAll = true;
      return;
    }
    if (isIP(entry) !== 0) return this.#networks.addAddress(entry, familyOf(entry));
    const [, address = '', prefix = ''] = /^([^/]+)\/(\d{1,3})$/.exec(entry) ?? [];
    if (isIP(address) !== 0) {
      if (Number(prefix) <= (isIP(address) === 6 ? 128 : 32)) {
        this.#networks.addSubnet(address, Number(prefix), familyOf(address));
      }
      return;
    }
    const [, host = '', port] = /^(\[[^\]]+\]|[^:[\]/]+)(?::(\d{1,5}))?$/.exec(entry) ?? [];
    const name = normalName(host.replace(/^\*?\./, ''));
    if (name !== '') this.#names.push({ name, port: port === undefined ? null : Number(port) });
  }

  #isAddressIn(list: BlockList, host: string): boolean {
    return isIP(host) !== 0 && list.check(host, familyOf(host));
  }
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isBelow(name: string, parent: string): boolean {
  return isIP(name) === 0 && name.endsWith(`.${parent}`);
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}

function normalName(host: string): string {
  return host
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
}
