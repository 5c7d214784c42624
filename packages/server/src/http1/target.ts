import { Http1Error } from './error.ts';
import { fieldIds } from './fields.ts';
import type { MessageHead } from './head.ts';

const slash = 0x2f;
const dot = 0x2e;
const question = 0x3f;
const percent = 0x25;
const semicolon = 0x3b;
const backslash = 0x5c;
const space = 0x20;

const clean = 1;
const separator = 2;
const end = 3;
const refused = 4;
const careful = 5;
// What the fast loop makes of each byte of a path. The parser has let printable ASCII through, without `#`.
const pathBytes = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === slash) return separator;
  if (byte === question) return end;
  if (byte === percent || byte === semicolon) return careful;
  return byte <= space || byte >= 0x7f || byte === backslash ? refused : clean;
});
const hexValues = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? 255 : value;
});

/** Where the parts of a request target are, as offsets into the head's bytes. Reused from request to request. */
export class RequestTarget {
  /** Where the origin-form starts: the path's `/`. Beyond the target's own start where the client sent absolute-form. */
  start = 0;
  /** Offset of `?`, or the end of the target. */
  pathEnd = 0;
  end = 0;
  /**
   * Every reader takes this path for the same one: printable ASCII without `%`, `;`, `//`. Where it is false, routes must
   * be looked up with both of `pathReadings`, and the request refused with `ambiguous_target` where they differ.
   */
  isPlain = true;
}

/**
 * Checks the target of a parsed request and finds its path. Applications are only ever sent the origin-form
 * (RFC 9112 §3.2.1), bytes[start, end) of the result, unchanged: signatures and caches depend on the client's spelling.
 *
 * Refused (threats B1, B2, B6):
 * - dot segments, also with `%2e`, with `%2f`, `%5c` or `\` as separator, with a path parameter (`..;`) or spaces behind,
 *   and encoded more than once. Browsers resolve them before they send; whoever still sends them hopes for a second reading;
 * - an encoded `%` whose two hexadecimal digits are encoded, too;
 * - `\`, encoded control bytes, `%` without two hexadecimal digits, and encoded bytes that are not UTF-8, overlong forms
 *   included;
 * - absolute-form whose authority is not Host, asterisk-form, authority-form.
 *
 * The query is data: only what no request line may have is refused there.
 *
 * @throws Http1Error `bad_target` or `bad_host`.
 */
export function checkTarget(head: MessageHead, into: RequestTarget): void {
  const bytes = head.bytes;
  into.start = bytes[head.targetStart] === slash ? head.targetStart : originStart(head);
  into.end = head.targetEnd;
  into.isPlain = true;

  let at = into.start;
  for (; at < into.end; at++) {
    const kind = pathBytes[bytes[at]];
    if (kind === clean) continue;
    if (kind === end) break;
    // `/` is suspicious only before `/`, or before `.`, which may begin a dot segment.
    if (kind === separator && at + 1 < into.end && bytes[at + 1] !== slash && bytes[at + 1] !== dot) continue;
    if (kind === separator && at + 1 === into.end) continue;
    checkPathSlowly(bytes, into);
    return;
  }
  into.pathEnd = at;
}

/** How a path that is not plain may be read, for looking up routes. Both start with `/` and have no query. */
export interface PathReadings {
  /** RFC 3986: separated by `/` alone, everything but an encoded separator decoded, other bytes as they stand. */
  readonly strict: string;
  /**
   * What a lenient backend makes of it: `%2f`, `%5c` are separators, runs of separators are one, path parameters
   * (`;…`) are gone, and what was encoded twice is decoded.
   */
  readonly lenient: string;
}

/**
 * Reads a checked path in both ways. An application may use `//`, `%2f` or `;` as it likes as long as both
 * readings choose the same application: then it does not matter which one its backend follows. Where
 * applications overlap (`/` for everybody and `/admin` for some, on one backend), `//admin`, `/%2fadmin` and
 * `/admin;x` would otherwise be authorised as the first and served as the second.
 *
 * @param pathEnd `RequestTarget.pathEnd` of a target that `checkTarget` accepted.
 */
export function pathReadings(bytes: Buffer, start: number, pathEnd: number): PathReadings {
  const path = bytes.toString('latin1', start, pathEnd);
  const strict = decodeOnce(path);
  const lenient = decodeAll(path)
    .replace(/;[^/\\]*/g, '')
    .replace(/[/\\]+/g, '/');
  return { strict, lenient };
}

// Encoded separators and percent signs stay as they are: decoded, they could not be told from the real ones.
function decodeOnce(path: string): string {
  return decodeURIComponent(path.replace(/%(2f|5c|25|3b)/gi, '%25$1'));
}

function decodeAll(path: string): string {
  const bytes = path.replace(/%(?:25)*([0-9a-f]{2})/gi, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

// Everything that the fast loop would not vouch for.
function checkPathSlowly(bytes: Buffer, into: RequestTarget): void {
  const utf8 = new Utf8Validator();
  let dots = notDots;
  let hasPercent = false;
  let at = into.start;
  while (at < into.end && bytes[at] !== question) {
    const byte = bytes[at];
    if (pathBytes[byte] === refused) throw new Http1Error('bad_target');
    if (byte === percent) {
      const decoded = readHexPair(bytes, at + 1, into.end);
      if (decoded < 0x20 || decoded === 0x7f) throw new Http1Error('bad_target');
      utf8.push(decoded);
      const innermost = innermostHexPair(bytes, at + 1, into.end);
      const inner = readHexPair(bytes, innermost, into.end);
      if (inner === percent) hasPercent = true;
      dots = nextDots(dots, inner);
      into.isPlain = false;
      at = innermost + 2;
      continue;
    }
    utf8.push(byte);
    dots = nextDots(dots, byte);
    if (byte === semicolon || (byte === slash && at + 1 < into.end && bytes[at + 1] === slash))
      into.isPlain = false;
    at++;
  }
  nextDots(dots, slash);
  utf8.end();
  into.pathEnd = at;
  // `%25%32%65` is a dot to whoever decodes twice, and no program writes digits so.
  if (hasPercent && /%[0-9a-f]{2}/i.test(decodeAll(bytes.toString('latin1', into.start, at)))) {
    throw new Http1Error('bad_target');
  }
}

// -1, which no caller takes for a byte, where two hexadecimal digits are missing.
function readHexPair(bytes: Buffer, at: number, limit: number): number {
  if (at + 2 > limit) return -1;
  const high = hexValues[bytes[at]];
  const low = hexValues[bytes[at + 1]];
  return high > 15 || low > 15 ? -1 : high * 16 + low;
}

// `%2525252e` is a dot to whoever decodes often enough: goes past each `25` that makes another `%`.
function innermostHexPair(bytes: Buffer, at: number, limit: number): number {
  let pair = at;
  while (readHexPair(bytes, pair, limit) === percent && readHexPair(bytes, pair + 2, limit) >= 0) pair += 2;
  return pair;
}

// How many dots the segment consists of so far, or `notDots` once it has anything else. `;` and space end the name
// of a segment for some backends (Java path parameters, Windows file names).
function nextDots(dots: number, byte: number): number {
  if (byte === dot) return dots < 2 ? dots + 1 : notDots;
  const isSeparator = byte === slash || byte === backslash;
  if (isSeparator || byte === semicolon || byte === space) {
    if (dots === 1 || dots === 2) throw new Http1Error('bad_target');
    return isSeparator ? 0 : notDots;
  }
  return notDots;
}

const notDots = 3;

// RFC 3629, byte by byte: no overlong forms, no surrogates, nothing above U+10FFFF.
class Utf8Validator {
  #pending = 0;
  #lowest = 0x80;
  #highest = 0xbf;

  push(byte: number): void {
    if (this.#pending > 0) {
      if (byte < this.#lowest || byte > this.#highest) throw new Http1Error('bad_target');
      this.#pending--;
      this.#lowest = 0x80;
      this.#highest = 0xbf;
      return;
    }
    if (byte < 0x80) return;
    if (byte < 0xc2 || byte > 0xf4) throw new Http1Error('bad_target');
    this.#pending = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.#lowest = 0xa0;
    if (byte === 0xed) this.#highest = 0x9f;
    if (byte === 0xf0) this.#lowest = 0x90;
    if (byte === 0xf4) this.#highest = 0x8f;
  }

  end(): void {
    if (this.#pending > 0) throw new Http1Error('bad_target');
  }
}

// absolute-form is what clients send to a forward proxy; a server must take it too (RFC 9112 §3.2.2). It is taken where
// it says the same as Host, so that it does not matter which of the two a later reader believes.
function originStart(head: MessageHead): number {
  const { bytes, targetStart, targetEnd } = head;
  const text = bytes.toString('latin1', targetStart, targetEnd);
  const scheme = /^https?:\/\//i.exec(text);
  if (scheme === null) throw new Http1Error('bad_target');
  const pathAt = text.indexOf('/', scheme[0].length);
  const queryAt = text.indexOf('?');
  if (pathAt < 0 || (queryAt >= 0 && queryAt < pathAt)) throw new Http1Error('bad_target');

  const authority = parseHost(bytes, targetStart + scheme[0].length, targetStart + pathAt);
  const field = head.find(fieldIds.host);
  const host = parseHost(bytes, head.valueStart(field), head.valueEnd(field));
  if (authority.name !== host.name || authority.port !== host.port) throw new Http1Error('bad_target');
  return targetStart + pathAt;
}

/** A Host field's value in the one form that routes are looked up by. */
export interface HostAndPort {
  /** Lower case, without trailing dot; an IPv6 address with its brackets. */
  readonly name: string;
  /** -1 where none was given. */
  readonly port: number;
}

/**
 * Reads a Host field's value or an authority (RFC 9110 §7.2): a name of letters, digits, `-`, `_` and dots, or an
 * address, with or without a port. Allocates: callers keep the result beside the bytes.
 *
 * @throws Http1Error `bad_host` for anything else: user information, commas, empty labels, escapes, empty or bad ports.
 */
export function parseHost(bytes: Buffer, start: number, end: number): HostAndPort {
  if (end - start > longestHost) throw new Http1Error('bad_host');
  const match = hostPattern.exec(bytes.toString('latin1', start, end));
  if (match === null) throw new Http1Error('bad_host');
  const [, written, digits] = match;
  const port = digits === undefined ? -1 : Number(digits);
  const name = written.toLowerCase();
  if (port > 65_535 || name.length > 253) throw new Http1Error('bad_host');
  return { name, port };
}

const longestHost = 253 + '.:65535'.length;
const hostPattern =
  /^((?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}(?=\.?(?::|$))|\[[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*\](?!\.))\.?(?::([1-9][0-9]{0,4}))?$/i;
