import { BlockList, isIP, isIPv6 } from 'node:net';
import { parseNetwork } from '@postern/protocol/admin/publishing-limits';

/** Whose addresses may come in. */
export interface NetworkRules {
  /** Empty: everybody. */
  readonly allowedNetworks: readonly string[];
  /** Wins over what is allowed. */
  readonly deniedNetworks: readonly string[];
}

/** Addresses and networks, ready to be asked. An IPv4 address written as IPv6 is looked up as what it is. */
export class Networks {
  readonly #allowed: BlockList | null;
  readonly #denied: BlockList | null;

  private constructor({ allowedNetworks, deniedNetworks }: NetworkRules) {
    this.#allowed = listOf(allowedNetworks);
    this.#denied = listOf(deniedNetworks);
  }

  /** Null where everybody may come in. */
  static from(rules: NetworkRules): Networks | null {
    return rules.allowedNetworks.length + rules.deniedNetworks.length === 0 ? null : new Networks(rules);
  }

  /** @param address An address without brackets and zone; what is none is admitted by no list of allowed ones. */
  admits(address: string): boolean {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (this.#denied?.check(address, family) === true) return false;
    return this.#allowed === null || this.#allowed.check(address, family);
  }
}

function listOf(networks: readonly string[]): BlockList | null {
  if (networks.length === 0) return null;
  const list = new BlockList();
  for (const text of networks) {
    const network = parseNetwork(text);
    // The admin API lets nothing else in; a store that was changed by hand must not bring the relay down.
    if (network !== null && isIP(network.address) !== 0)
      list.addSubnet(network.address, network.bits, network.family);
  }
  return list;
}
