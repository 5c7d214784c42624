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
  if (isLoopbackName(name)) return answer(loopback, options, callback);
  resolve(name, options, (error, addresses) => {
    if (error === null) answer(addresses, options, callback);
    else callback(error, '');
  });
};

type Resolved = (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void;

/** Who waits for names that are being resolved. */
const waiting = new Map<string, Resolved[]>();

// Whoever asks for a name that is being resolved gets the same answer. The system resolves two names at a time, and where
// name servers are silent each takes 10 s or more: the requests for one such name would keep every other one waiting.
function resolve(name: string, { family, hints }: LookupOptions, onResolved: Resolved): void {
  const key = `${name} ${family ?? 0} ${hints ?? 0}`;
  const others = waiting.get(key);
  if (others !== undefined) return void others.push(onResolved);
  const all = [onResolved];
  waiting.set(key, all);
  systemLookup(name, { family: family ?? 0, hints: hints ?? 0, all: true }, (error, addresses) => {
    waiting.delete(key);
    for (const one of all) one(error, addresses);
  });
}

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
