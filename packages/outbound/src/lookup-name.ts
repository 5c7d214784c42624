import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

type LookupCallback = Parameters<LookupFunction>[2];

const loopback: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];

/**
 * Milliseconds for one address of several before a socket tries the next, for its option `autoSelectFamilyAttemptTimeout`.
 * Node gives an address up after 250, and does not come back to it: a long way, a busy machine or one lost packet takes
 * more, and TCP sends its first packet again after 1,000 (RFC 6298 §2.1).
 */
export const addressPatienceMs = 2_000;

/** `localhost` and every name below it are loopback (RFC 6761 §6.3); glibc asks the name servers instead. */
export function isLoopbackName(name: string): boolean {
  return /(^|\.)localhost\.?$/i.test(name);
}

/** As dns.lookup, for the `lookup` option of sockets; resolves `*.localhost` itself. */
export const lookupName: LookupFunction = (name, options, callback) => {
  if (!isLoopbackName(name)) return systemLookup(name, options as LookupOptions, callback as LookupCallback);
  answer(loopback, options, callback);
};

/** Gives resolved addresses to a socket in the form that it asked for: all of them, or the first of its family. */
export function answer(
  addresses: readonly LookupAddress[],
  options: LookupOptions,
  callback: LookupCallback,
): void {
  const { family } = options;
  const fitting = family === 4 || family === 6 ? addresses.filter(one => one.family === family) : addresses;
  const first = fitting[0];
  if (first === undefined) {
    const error: NodeJS.ErrnoException = new Error('no address of this family');
    error.code = 'ENOTFOUND';
    return callback(error, '');
  }
  if (options.all) return callback(null, [...fitting]);
  callback(null, first.address, first.family);
}
