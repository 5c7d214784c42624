import { fieldIdCount, fieldIds, fieldNames } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import { ownCookiePrefix } from './session-cookie.ts';

/** How an answer's addresses are turned from the inside to the outside. Paths begin and end with `/`. */
export interface AddressTranslation {
  readonly internalOrigin: string;
  readonly internalPath: string;
  readonly externalOrigin: string;
  readonly externalPath: string;
}

export interface ResponseHeadChanges {
  /** Null leaves addresses alone. */
  readonly addresses: AddressTranslation | null;
  /** Framing and connection fields towards the client; whole lines, each ending in CRLF. */
  readonly framing: Buffer;
  /** Transfer-Encoding of the backend goes on; false where the client is framed in another way. */
  readonly keepTransferEncoding: boolean;
  /** Whether the answer may set the service's own cookies: the control process's may, and no backend's (threat D3). */
  readonly keepsOwnCookies: boolean;
  /** The answer is a page for a signed-in person: see {@link personalPageField}. */
  readonly isPersonalPage: boolean;
}

/**
 * What a page for a signed-in person says where its backend leaves open how long it may be kept. Browsers would choose a
 * time of their own (RFC 9111 §4.2.2), and show it to whoever sits there after signing out.
 */
const personalPageField = { name: 'cache-control', value: 'private, no-cache' };
const personalPageLine = Buffer.from(`${personalPageField.name}: ${personalPageField.value}\r\n`, 'latin1');

const keep = 0;
const drop = 1;
const rewrite = 2;
const transferEncoding = 3;

const actions = new Uint8Array(fieldIdCount);
actions[fieldIds.setCookie] = rewrite;
actions[fieldIds.location] = rewrite;
actions[fieldIds.contentLocation] = rewrite;
actions[fieldIds.refresh] = rewrite;
actions[fieldIds.transferEncoding] = transferEncoding;
for (const id of [
  fieldIds.connection,
  fieldIds.keepAlive,
  fieldIds.proxyConnection,
  fieldIds.proxyAuthenticate,
  fieldIds.proxyAuthenticationInfo,
  fieldIds.te,
  fieldIds.upgrade,
  // It would send browsers to a port that the service does not own.
  fieldIds.altSvc,
]) {
  actions[id] = drop;
}

const statusLines = new Map<number, Buffer>();
const crlf = Buffer.from('\r\n', 'latin1');

/**
 * Writes the head that the client gets: the backend's lines verbatim, less those that must not pass, with addresses
 * turned outwards and framing as the client's connection needs it.
 */
export function writeResponseHead(head: MessageHead, changes: ResponseHeadChanges): Buffer {
  const { bytes } = head;
  const rewritten = rewriteFields(head, changes);
  const saysForWhom = changes.isPersonalPage && leavesCachingOpen(head);
  let bound = head.end - head.start + changes.framing.length + personalPageLine.length + 16;
  if (rewritten !== null) for (const line of rewritten.values()) bound += line.length;
  const out = Buffer.allocUnsafe(bound);
  let at = 0;
  let from = head.start;
  if (head.minorVersion === 0) {
    at = startLine(head).copy(out, 0);
    from = head.fieldCount > 0 ? head.lineStart(0) : head.end - 2;
  }
  const nominated = head.hasNominations ? head.nominatedNames() : null;
  for (let index = 0; index < head.fieldCount; index++) {
    const action = actions[head.idOf(index)];
    if (action === keep && nominated === null) continue;
    const line = rewritten?.get(index);
    if (line === undefined && !nominated?.includes(head.nameOf(index))) {
      if (action === keep || action === rewrite) continue;
      if (action === transferEncoding && changes.keepTransferEncoding) continue;
    }
    at += bytes.copy(out, at, from, head.lineStart(index));
    from = head.lineEnd(index);
    if (line !== undefined) at += out.write(line, at, 'latin1');
  }
  at += bytes.copy(out, at, from, head.end - 2);
  at += changes.framing.copy(out, at);
  if (saysForWhom) at += personalPageLine.copy(out, at);
  at += crlf.copy(out, at);
  return out.subarray(0, at);
}

/**
 * The same fields as a flat list of names in lower case and values, for HTTP/2: framing and connections are the frames'
 * business there, so nothing of either passes (RFC 9113 §8.2.2).
 */
export function listResponseFields(
  head: MessageHead,
  changes: Pick<ResponseHeadChanges, 'addresses' | 'keepsOwnCookies' | 'isPersonalPage'>,
): string[] {
  const { start } = head;
  const text = head.bytes.toString('latin1', start, head.end);
  const nominated = head.hasNominations ? head.nominatedNames() : null;
  const list = [':status', String(head.status)];
  for (let index = 0; index < head.fieldCount; index++) {
    const id = head.idOf(index);
    const action = actions[id];
    if (action === drop || action === transferEncoding || id === fieldIds.http2Settings) continue;
    const name =
      fieldNames[id] || text.slice(head.nameStart(index) - start, head.nameEnd(index) - start).toLowerCase();
    if (nominated?.includes(name)) continue;
    let value: string | null = text.slice(head.valueStart(index) - start, head.valueEnd(index) - start);
    if (action === rewrite && !(changes.keepsOwnCookies && id === fieldIds.setCookie)) {
      value = rewriteValue(id, value, changes.addresses);
    }
    if (value !== null) list.push(name, value);
  }
  if (changes.isPersonalPage && leavesCachingOpen(head)) {
    list.push(personalPageField.name, personalPageField.value);
  }
  return list;
}

function leavesCachingOpen(head: MessageHead): boolean {
  return head.find(fieldIds.cacheControl) < 0 && head.find(fieldIds.expires) < 0;
}

/** New lines by field index; an empty one drops the field. Null where nothing changes, which is nearly always. */
export function rewriteFields(
  head: MessageHead,
  changes: Pick<ResponseHeadChanges, 'addresses' | 'keepsOwnCookies'>,
): Map<number, string> | null {
  let lines: Map<number, string> | null = null;
  for (const id of [fieldIds.setCookie, fieldIds.location, fieldIds.contentLocation, fieldIds.refresh]) {
    for (let index = head.find(id); index >= 0; index = head.findNext(id, index)) {
      const value = head.valueOf(index);
      if (changes.keepsOwnCookies && id === fieldIds.setCookie) continue;
      const changed = rewriteValue(id, value, changes.addresses);
      if (changed === value) continue;
      lines ??= new Map();
      const name = head.bytes.toString('latin1', head.nameStart(index), head.nameEnd(index));
      lines.set(index, changed === null ? '' : `${name}: ${changed}\r\n`);
    }
  }
  return lines;
}

/** The value for the client, or null where the field must not pass. */
export function rewriteValue(id: number, value: string, addresses: AddressTranslation | null): string | null {
  if (id === fieldIds.setCookie) return rewriteSetCookie(value, addresses);
  if (addresses === null) return value;
  if (id === fieldIds.refresh) {
    return value.replace(/(url\s*=\s*["']?)(\S+)/i, (_, before: string, url: string) => {
      return before + translateAddress(url, addresses);
    });
  }
  return translateAddress(value, addresses);
}

/**
 * A cookie of the backend for the client: never one of the service's own names, and never for more than the
 * application's own host, or one application could plant cookies at another (threat D3).
 */
function rewriteSetCookie(value: string, addresses: AddressTranslation | null): string | null {
  if (value.trimStart().toLowerCase().startsWith(ownCookiePrefix.toLowerCase())) return null;
  if (!value.includes(';')) return value;
  const parts = value.split(';');
  const kept = parts.filter((part, index) => index === 0 || !/^\s*domain\s*(=|$)/i.test(part));
  const movesPath = addresses !== null && addresses.internalPath !== addresses.externalPath;
  if (kept.length === parts.length && !movesPath) return value;
  if (!movesPath) return kept.join(';');
  return kept.map((part, index) => (index === 0 ? part : translateCookiePath(part, addresses))).join(';');
}

function translateCookiePath(part: string, addresses: AddressTranslation): string {
  const match = /^(\s*path\s*=\s*)(\/.*)$/i.exec(part);
  if (match === null) return part;
  return match[1]! + translatePath(match[2]!, addresses);
}

/** An absolute or path-absolute URL reference of the backend as the client must use it. */
function translateAddress(value: string, addresses: AddressTranslation): string {
  if (value.startsWith('/') && !value.startsWith('//')) return translatePath(value, addresses);
  const origin = startsWithOrigin(value, addresses.internalOrigin) ?? ownOriginOverHttp(value, addresses);
  if (origin === null) return value;
  const rest = value.slice(origin.length);
  return addresses.externalOrigin + (rest.startsWith('/') ? translatePath(rest, addresses) : rest);
}

/** A backend that knows its outer name but not that TLS ends before it names itself with http. */
function ownOriginOverHttp(value: string, addresses: AddressTranslation): string | null {
  if (!addresses.externalOrigin.startsWith('https:')) return null;
  return startsWithOrigin(value, `http:${addresses.externalOrigin.slice('https:'.length)}`);
}

function startsWithOrigin(value: string, origin: string): string | null {
  if (value.slice(0, origin.length).toLowerCase() !== origin.toLowerCase()) return null;
  const next = value[origin.length];
  return next === undefined || next === '/' || next === '?' || next === '#' ? origin : null;
}

function translatePath(path: string, { internalPath, externalPath }: AddressTranslation): string {
  if (internalPath === externalPath || !path.startsWith(internalPath)) return path;
  return externalPath + path.slice(internalPath.length);
}

function startLine(head: MessageHead): Buffer {
  let line = statusLines.get(head.status);
  if (line === undefined) {
    line = Buffer.from(`HTTP/1.1 ${head.status} \r\n`, 'latin1');
    statusLines.set(head.status, line);
  }
  return line;
}
