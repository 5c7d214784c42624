import { Resolver } from 'node:dns/promises';

/** What is asked of the DNS about names that others run. */
export interface NameServers {
  /** Texts of the TXT records; empty where there are none. */
  texts(name: string): Promise<readonly string[]>;
  /** IPv4 and IPv6 addresses, through whatever aliases; empty where there are none. */
  addresses(name: string): Promise<readonly string[]>;
}

/** The DNS gave no answer at all, which says nothing about the records. */
export class NameServerError extends Error {
  override readonly name = 'NameServerError';
  readonly code = 'name_servers_silent';
}

const timeoutMs = 3_000;
const tries = 2;

/** @param servers Addresses with or without a port; empty: those of this machine. */
export function createNameServers(servers: readonly string[]): NameServers {
  // Asked anew each time: the configuration of this machine may have changed, and nothing is kept.
  const ask = async <T>(name: string, question: (resolver: Resolver) => Promise<readonly T[]>) => {
    const resolver = new Resolver({ timeout: timeoutMs, tries });
    if (servers.length > 0) resolver.setServers(servers);
    try {
      return await question(resolver);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'ENODATA' || code === 'ENOTFOUND') return [];
      throw new NameServerError(`the name servers do not answer about ${name} (${code})`, { cause: error });
    }
  };
  return {
    texts: name =>
      ask(name, async resolver => (await resolver.resolveTxt(name)).map(pieces => pieces.join(''))),
    addresses: async name => [
      ...(await ask(name, resolver => resolver.resolve4(name))),
      ...(await ask(name, resolver => resolver.resolve6(name))),
    ],
  };
}
