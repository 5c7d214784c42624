import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';

/**
 * Names of the service's own cookies at application hosts begin so. Browsers accept `__Host-` cookies only from the host
 * itself, over TLS and without Domain, so no sibling host can plant one (RFC 6265bis §4.1.3.2, threat D2).
 */
export const ownCookiePrefix = '__Host-postern';

const ownPrefixBytes = Buffer.from(ownCookiePrefix, 'latin1');
const sessionCookieLength = 43;
const semicolon = 0x3b;
const space = 0x20;
const tab = 0x09;
const equals = 0x3d;

/**
 * The value of the session cookie, or null if there is none, more than one, or one that no sign-in of ours made.
 *
 * Two cookies of the name mean that somebody planted one; then neither proves anything (threat D2).
 */
export function readSessionCookie(head: MessageHead): string | null {
  let value: string | null = null;
  for (let at = head.find(fieldIds.cookie); at >= 0; at = head.findNext(fieldIds.cookie, at)) {
    const end = head.valueEnd(at);
    let from = findOwnCookie(head.bytes, head.valueStart(at), end);
    while (from >= 0) {
      const nameEnd = from + ownPrefixBytes.length;
      const stop = pairEnd(head.bytes, from, end);
      if (nameEnd < stop && head.bytes[nameEnd] === equals) {
        if (value !== null) return null;
        value = head.bytes.toString('latin1', nameEnd + 1, stop);
      }
      from = findOwnCookie(head.bytes, stop, end);
    }
  }
  return value !== null && value.length === sessionCookieLength ? value : null;
}

/**
 * Copies a cookie value without the service's own cookies.
 *
 * @returns the offset in `out` after what was written, which is `at` where nothing is left to send.
 */
export function copyForeignCookies(
  bytes: Buffer,
  start: number,
  end: number,
  out: Buffer,
  at: number,
): number {
  let from = start;
  let written = at;
  while (from < end) {
    const stop = pairEnd(bytes, from, end);
    let first = from;
    while (first < stop && (bytes[first] === space || bytes[first] === tab)) first++;
    if (stop > first && !startsWithOwnPrefix(bytes, first, stop)) {
      if (written > at) {
        out[written++] = semicolon;
        out[written++] = space;
      }
      written += bytes.copy(out, written, first, stop);
    }
    from = stop + 1;
  }
  return written;
}

/** Where one of our cookies begins in a cookie value, at or after `from`; -1 if nowhere. */
export function findOwnCookie(bytes: Buffer, from: number, end: number): number {
  let at = bytes.indexOf(ownPrefixBytes, from);
  while (at >= 0 && at < end) {
    if (isPairStart(bytes, from, at)) return at;
    at = bytes.indexOf(ownPrefixBytes, at + 1);
  }
  return -1;
}

function isPairStart(bytes: Buffer, from: number, at: number): boolean {
  let before = at - 1;
  while (before >= from && (bytes[before] === space || bytes[before] === tab)) before--;
  return before < from || bytes[before] === semicolon;
}

function startsWithOwnPrefix(bytes: Buffer, start: number, end: number): boolean {
  return (
    end - start >= ownPrefixBytes.length &&
    bytes.compare(ownPrefixBytes, 0, ownPrefixBytes.length, start, start + ownPrefixBytes.length) === 0
  );
}

function pairEnd(bytes: Buffer, from: number, end: number): number {
  const at = bytes.indexOf(semicolon, from);
  return at < 0 || at > end ? end : at;
}
