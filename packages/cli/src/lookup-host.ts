import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

/**
 * `dns.lookup` for `net.connect`, which answers names under `localhost` with this machine's loopback addresses itself:
 * RFC 6761 §6.3 reserves them for that, and glibc resolves only `localhost`.
 */
export const lookupHost: LookupFunction = (hostname, options, callback) => {
  if (!isLocalhost(hostname)) {
    lookup(hostname, options, callback);
    return;
  }
  const addresses = loopback.filter(
    ({ family }) => options.family === 0 || (options.family ?? family) === family,
  );
  if (options.all) {
    callback(null, addresses);
  } else {
    callback(null, addresses[0].address, addresses[0].family);
  }
};

/** Whether a host name is `localhost` or below it. */
export function isLocalhost(hostname: string): boolean {
  return /(^|\.)localhost\.?$/i.test(hostname);
}

const loopback = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];
