import { fieldIdCount, fieldIds, fieldNames } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import { withCookieAttributes } from './cookie-attributes.ts';
import {
  type ClaimSource,
  claimLines,
  commonLines,
  isDropped,
  type ResponseHeaders,
  responseList,
} from './custom-headers.ts';
import { linkFieldIds, translateLinkField } from './link-fields.ts';
import { noLinks, type PublishedAddress, type PublishedLinks } from './published-links.ts';
import { ownCookiePrefix } from './session-cookie.ts';

export interface ResponseHeadChanges {
  /** Whose answer it is; null leaves addresses alone. */
  readonly addresses: PublishedAddress | null;
  /** Addresses that are turned outwards beside its own. */
  readonly links: PublishedLinks;
  /** The content will be another one than the backend describes: what depends on its bytes does not pass. */
  readonly changesContent: boolean;
  /** Framing and connection fields towards the client; whole lines, each ending in CRLF. */
  readonly framing: Buffer;
  /** Transfer-Encoding of the backend goes on; false where the client is framed in another way. */
  readonly keepTransferEncoding: boolean;
  /** Whether the answer may set the service's own cookies: the control process's may, and no backend's (threat D3). */
  readonly keepsOwnCookies: boolean;
  /** The answer is a page for a signed-in person: see {@link personalPageField}. */
  readonly isPersonalPage: boolean;
  /** Fields that the application sets or removes; null where it has none. */
  readonly custom: ResponseHeaders | null;
  /** What the claims of custom fields are filled in from. */
  readonly claims: ClaimSource;
  /** The backend's cookies get HttpOnly. */
  readonly addsHttpOnly: boolean;
  /** What pages of other origins may do with the answer, in place of what the backend says; null leaves it to the backend. */
  readonly cors?: AddedFields | null;
  /** Value of a Server-Timing field beside the backend's own; null for everybody who has not asked for it. */
  readonly timing?: string | null;
}

/** Fields of the service's own: as lines, each ending in CRLF, and as a flat list of names in lower case and values. */
export interface AddedFields {
  readonly lines: Buffer;
  readonly list: readonly string[];
}

/**
 * What a page for a signed-in person says where its backend leaves open how long it may be kept. Browsers would choose a
 * time of their own (RFC 9111 §4.2.2), and show it to whoever sits there after signing out.
 */
const personalPageField = { name: 'cache-control', value: 'private, no-cache' };
const personalPageLine = Buffer.from(`${personalPageField.name}: ${personalPageField.value}\r\n`, 'latin1');

const timingName = 'server-timing';

const keep = 0;
const drop = 1;
const rewrite = 2;
const transferEncoding = 3;
const ofContent = 4;

const actions = new Uint8Array(fieldIdCount);
actions[fieldIds.setCookie] = rewrite;
for (const id of linkFieldIds) actions[id] = rewrite;
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

const rewrittenFieldIds = [fieldIds.setCookie, ...linkFieldIds] as const;
// They say something about the bytes of the content, which is not true of it translated.
const contentFieldIds = [
  fieldIds.contentLength,
  fieldIds.acceptRanges,
  fieldIds.etag,
  fieldIds.contentMd5,
  fieldIds.digest,
  fieldIds.contentDigest,
  fieldIds.reprDigest,
] as const;
for (const id of contentFieldIds) actions[id] = ofContent;

const statusLines = new Map<number, Buffer>();
const crlf = Buffer.from('\r\n', 'latin1');
const noLines = Buffer.alloc(0);

/**
 * Writes the head that the client gets: the backend's lines verbatim, less those that must not pass, with addresses
 * turned outwards and framing as the client's connection needs it.
 */
export function writeResponseHead(head: MessageHead, changes: ResponseHeadChanges): Buffer {
  const { bytes } = head;
  const { custom, cors = null, timing = null } = changes;
  const rewritten = rewriteFields(head, changes);
  const customLines = custom === null ? noLines : commonLines(custom, head);
  const ownLines = custom === null ? '' : claimLines(custom, changes.claims);
  const saysForWhom = changes.isPersonalPage && leavesCachingOpen(head, custom);
  let bound =
    head.end - head.start + changes.framing.length + personalPageLine.length + customLines.length + 16;
  if (ownLines !== '') bound += ownLines.length;
  if (cors !== null) bound += cors.lines.length;
  if (timing !== null) bound += timing.length + timingName.length + 4;
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
    const isRemoved =
      (custom !== null && isDropped(custom.dropped, head, index)) ||
      (cors !== null && isCorsDecision(head.idOf(index)));
    if (action === keep && nominated === null && !isRemoved) continue;
    const line = isRemoved ? undefined : rewritten?.get(index);
    if (!isRemoved && line === undefined && !nominated?.includes(head.nameOf(index))) {
      if (action === keep || action === rewrite || action === ofContent) continue;
      if (action === transferEncoding && changes.keepTransferEncoding) continue;
    }
    at += bytes.copy(out, at, from, head.lineStart(index));
    from = head.lineEnd(index);
    if (line !== undefined) at += out.write(line, at, 'latin1');
  }
  at += bytes.copy(out, at, from, head.end - 2);
  at += changes.framing.copy(out, at);
  if (saysForWhom) at += personalPageLine.copy(out, at);
  at += customLines.copy(out, at);
  if (ownLines !== '') at += out.write(ownLines, at, 'latin1');
  if (cors !== null) at += cors.lines.copy(out, at);
  if (timing !== null) at += out.write(`${timingName}: ${timing}\r\n`, at, 'latin1');
  at += crlf.copy(out, at);
  return out.subarray(0, at);
}

/**
 * The same fields as a flat list of names in lower case and values, for HTTP/2: framing and connections are the frames'
 * business there, so nothing of either passes (RFC 9113 §8.2.2).
 */
export function listResponseFields(
  head: MessageHead,
  changes: Omit<ResponseHeadChanges, 'framing' | 'keepTransferEncoding'>,
): string[] {
  const { start } = head;
  const { custom, cors = null, timing = null } = changes;
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
    if (custom !== null && isDropped(custom.dropped, head, index)) continue;
    if (cors !== null && isCorsDecision(id)) continue;
    let value: string | null = text.slice(head.valueStart(index) - start, head.valueEnd(index) - start);
    if (action === rewrite && !(changes.keepsOwnCookies && id === fieldIds.setCookie)) {
      value = rewriteValue(id, value, changes.addresses, changes.links);
      if (value !== null && id === fieldIds.setCookie) {
        value = withCookieAttributes(value, changes.addsHttpOnly);
      }
    } else if (action === ofContent && changes.changesContent) value = ofOtherContent(id, value);
    if (value !== null) list.push(name, value);
  }
  if (changes.isPersonalPage && leavesCachingOpen(head, custom)) {
    list.push(personalPageField.name, personalPageField.value);
  }
  if (custom !== null) list.push(...responseList(custom, head, changes.claims));
  if (cors !== null) list.push(...cors.list);
  if (timing !== null) list.push(timingName, timing);
  return list;
}

/** Whether a field says who may read the answer; what else CORS has means nothing without it. */
function isCorsDecision(id: number): boolean {
  return id === fieldIds.accessControlAllowOrigin || id === fieldIds.accessControlAllowCredentials;
}

function leavesCachingOpen(head: MessageHead, custom: ResponseHeaders | null): boolean {
  if (custom?.setsCaching === true) return false;
  return head.find(fieldIds.cacheControl) < 0 && head.find(fieldIds.expires) < 0;
}

/** New lines by field index; an empty one drops the field. Null where nothing changes, which is nearly always. */
export function rewriteFields(
  head: MessageHead,
  changes: Pick<
    ResponseHeadChanges,
    'addresses' | 'links' | 'changesContent' | 'keepsOwnCookies' | 'addsHttpOnly'
  >,
): Map<number, string> | null {
  let lines = changes.changesContent ? rewriteContentFields(head) : null;
  for (const id of rewrittenFieldIds) {
    for (let index = head.find(id); index >= 0; index = head.findNext(id, index)) {
      const value = head.valueOf(index);
      if (changes.keepsOwnCookies && id === fieldIds.setCookie) continue;
      let changed = rewriteValue(id, value, changes.addresses, changes.links);
      if (changed !== null && id === fieldIds.setCookie) {
        changed = withCookieAttributes(changed, changes.addsHttpOnly);
      }
      if (changed === value) continue;
      lines ??= new Map();
      const name = head.bytes.toString('latin1', head.nameStart(index), head.nameEnd(index));
      lines.set(index, changed === null ? '' : `${name}: ${changed}\r\n`);
    }
  }
  return lines;
}

function rewriteContentFields(head: MessageHead): Map<number, string> {
  const lines = new Map<number, string>();
  for (const id of contentFieldIds) {
    for (let index = head.find(id); index >= 0; index = head.findNext(id, index)) {
      const value = ofOtherContent(id, head.valueOf(index));
      lines.set(index, value === null ? '' : `${fieldNames[id]}: ${value}\r\n`);
    }
  }
  return lines;
}

/** A strong ETag promises the same bytes; a weak one, the same meaning (RFC 9110 §8.8.1). */
function ofOtherContent(id: number, value: string): string | null {
  if (id !== fieldIds.etag) return null;
  return value.startsWith('"') ? `W/${value}` : value;
}

/** The value for the client, or null where the field must not pass. */
export function rewriteValue(
  id: number,
  value: string,
  addresses: PublishedAddress | null,
  links: PublishedLinks = noLinks,
): string | null {
  if (id === fieldIds.setCookie) return rewriteSetCookie(value, addresses);
  return addresses === null ? value : translateLinkField(id, value, addresses, links);
}

/**
 * A cookie of the backend for the client: never one of the service's own names, and never for more than the
 * application's own host, or one application could plant cookies at another (threat D3).
 */
function rewriteSetCookie(value: string, addresses: PublishedAddress | null): string | null {
  if (isOwnCookie(value)) return null;
  const movesPath =
    addresses !== null && addresses.internalPath !== addresses.externalPath && !isHostCookie.test(value);
  if (!movesPath && !hasDomain.test(value)) return value;
  const parts = value.split(';');
  const kept = parts.filter((part, index) => index === 0 || !/^\s*domain\s*(=|$)/i.test(part));
  if (!movesPath) return kept.join(';');
  return kept.map((part, index) => (index === 0 ? part : translateCookiePath(part, addresses))).join(';');
}

const hasDomain = /;\s*domain\s*(=|;|$)/i;
/** Browsers throw it away with any other path than `/` (RFC 6265bis §4.1.3.2). */
const isHostCookie = /^\s*__host-/i;

function isOwnCookie(value: string): boolean {
  // Most names begin otherwise.
  const first = value.charCodeAt(0);
  if (first > 0x20 && first !== ownCookieStart && first !== equals) return false;
  // One without a name is sent back as its value alone.
  return value
    .replace(/^[\s=]+/, '')
    .toLowerCase()
    .startsWith(ownCookieName);
}

const ownCookieName = ownCookiePrefix.toLowerCase();
const equals = 0x3d;
const ownCookieStart = ownCookieName.charCodeAt(0);

function translateCookiePath(part: string, { internalPath, externalPath }: PublishedAddress): string {
  const match = /^(\s*path\s*=\s*)(\/.*)$/i.exec(part);
  if (match === null) return part;
  const path = match[2]!;
  if (path.startsWith(internalPath)) return match[1]! + externalPath + path.slice(internalPath.length);
  // `/app` covers what is below `/app/`, too (RFC 6265 §5.1.4).
  if (`${path.trimEnd()}/` !== internalPath) return part;
  return match[1]! + (externalPath === '/' ? '/' : externalPath.slice(0, -1));
}

function startLine(head: MessageHead): Buffer {
  let line = statusLines.get(head.status);
  if (line === undefined) {
    line = Buffer.from(`HTTP/1.1 ${head.status} \r\n`, 'latin1');
    statusLines.set(head.status, line);
  }
  return line;
}
