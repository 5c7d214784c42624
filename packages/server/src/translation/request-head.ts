import { fieldIdCount, fieldIds, fieldNames } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import { isDropped, type RequestHeaders } from './custom-headers.ts';
import { type PublishedAddress, type PublishedLinks, translateInwards } from './published-links.ts';
import { copyForeignCookies, findOwnCookie } from './session-cookie.ts';

/** What the relay adds to and changes in a request's fields. Buffers are whole field lines, each ending in CRLF. */
export interface RequestFieldChanges {
  /** Host and everything that says where the request came from. */
  readonly connectionFields: Buffer;
  /** Who is asking; empty for passthrough applications. */
  readonly identityFields: Buffer;
  /** Further names that clients may not send, in lower case: the configured identity fields. */
  readonly reservedNames: ReadonlySet<string>;
  /** Whether the service's own cookies go on: to the control process, which set them, and to nobody else (threat C3). */
  readonly keepsOwnCookies: boolean;
  /** Whether Authorization stays with the service, for which it was made. */
  readonly keepsAuthorization: boolean;
  /** Whose addresses are turned inwards, as the host is; null leaves them alone. */
  readonly addresses: PublishedAddress | null;
  readonly links: PublishedLinks;
  /** Fields that the application sets or removes: what clients send under these names does not pass. */
  readonly custom: RequestHeaders | null;
}

const keep = 0;
const drop = 1;
const cookie = 2;
const check = 3;
const upgradeOnly = 4;
const turnInwards = 5;
const authorization = 6;

const actions = new Uint8Array(fieldIdCount);
actions[fieldIds.other] = check;
actions[fieldIds.cookie] = cookie;
actions[fieldIds.upgrade] = upgradeOnly;
actions[fieldIds.authorization] = authorization;
// Backends compare these with the host that they are asked for: against forged requests, and to copy and move (RFC 4918).
const addressFieldIds = [fieldIds.origin, fieldIds.referer, fieldIds.destination] as const;
for (const id of addressFieldIds) actions[id] = turnInwards;
for (const id of [
  // Backends behind CGI-like interfaces read `_` as `-`, so such a name could carry an identity field past us (threat C1).
  fieldIds.underscored,
  // Ours takes its place.
  fieldIds.host,
  // Hop by hop (RFC 9110 §7.6.1). Transfer-Encoding stays: the parser has made sure that it is `chunked`.
  fieldIds.connection,
  fieldIds.keepAlive,
  fieldIds.te,
  fieldIds.proxyConnection,
  fieldIds.proxyAuthorization,
  fieldIds.http2Settings,
  // What only a proxy may say (threat B7).
  fieldIds.forwarded,
  fieldIds.xForwardedFor,
  fieldIds.xForwardedHost,
  fieldIds.xForwardedProto,
  fieldIds.xForwardedPort,
  fieldIds.xForwardedPrefix,
  fieldIds.xForwardedUri,
  fieldIds.xForwardedServer,
  fieldIds.xForwardedMethod,
  fieldIds.xForwardedUser,
  fieldIds.xForwardedEmail,
  fieldIds.xForwardedScheme,
  fieldIds.xForwardedSsl,
  fieldIds.xRealIp,
  fieldIds.xClientIp,
  fieldIds.xRequestId,
  fieldIds.xOriginalUrl,
  fieldIds.xOriginalUri,
  fieldIds.xOriginalHost,
  fieldIds.xRewriteUrl,
  fieldIds.frontEndHttps,
  fieldIds.trueClientIp,
]) {
  actions[id] = drop;
}

// Families of names that carry identity or addresses in common proxies; one prefix check covers each.
const droppedPrefixes = ['x-forwarded-', 'x-postern-', 'x-remote-', 'x-auth-request-', 'remote-'];

const requestIdName = Buffer.from('X-Request-Id: ', 'latin1');
const connectionUpgrade = Buffer.from('Connection: upgrade\r\n', 'latin1');
const versionEnd = Buffer.from(' HTTP/1.1\r\n', 'latin1');
const headEnd = Buffer.from('\r\n\r\n', 'latin1');
const cr = 0x0d;
const lf = 0x0a;

/**
 * Writes the field lines that the backend gets: the client's verbatim, less those that must not pass, plus ours. What the
 * client's Connection field names is taken out before ours are added, or it could name ours away (RFC 9110 §7.6.1,
 * threat C2).
 *
 * The result depends on the head's fields and the changes alone, so a connection whose fields repeat may keep it.
 */
export function writeRequestFields(head: MessageHead, changes: RequestFieldChanges): Buffer {
  const { bytes } = head;
  const { connectionFields, identityFields, custom } = changes;
  const first = head.lineStart(0);
  const inward = changes.addresses === null ? null : inwardLines(head, changes.addresses, changes.links);
  let bound = head.end - first + connectionFields.length + identityFields.length + 64;
  if (inward !== null) for (const line of inward.values()) bound += line.length;
  const out = Buffer.allocUnsafe(bound);
  const nominated = head.hasNominations ? head.nominatedNames() : null;
  let at = 0;
  let from = first;
  for (let index = 0; index < head.fieldCount; index++) {
    const action = actions[head.idOf(index)];
    const isRemoved = custom !== null && isDropped(custom.dropped, head, index);
    if (action === keep && nominated === null && !isRemoved) continue;
    const start = head.lineStart(index);
    const end = head.lineEnd(index);
    if (isRemoved || nominated?.includes(head.nameOf(index))) {
      at += bytes.copy(out, at, from, start);
      from = end;
      continue;
    }
    if (action === keep) continue;
    if (action === turnInwards) {
      const line = inward?.get(index);
      if (line === undefined) continue;
      at += bytes.copy(out, at, from, start);
      at += out.write(line, at, 'latin1');
      from = end;
      continue;
    }
    if (action === upgradeOnly && head.upgrade) continue;
    if (action === authorization && !changes.keepsAuthorization) continue;
    if (action === check && !isReserved(head, index, changes.reservedNames)) continue;
    if (action === cookie) {
      if (changes.keepsOwnCookies) continue;
      if (findOwnCookie(bytes, head.valueStart(index), head.valueEnd(index)) < 0) continue;
    }
    at += bytes.copy(out, at, from, start);
    from = end;
    if (action === cookie) at = writeCookieLine(head, index, out, at);
  }
  at += bytes.copy(out, at, from, head.end - 2);
  at += connectionFields.copy(out, at);
  if (identityFields.length > 0) at += identityFields.copy(out, at);
  if (head.upgrade) at += connectionUpgrade.copy(out, at);
  return out.subarray(0, at);
}

/**
 * Writes the whole head: start line, the lines of {@link writeRequestFields}, request id.
 *
 * @param target What to send instead of the client's target; null keeps it.
 * @param lastLines Further lines, each ending in CRLF: those that differ from request to request.
 */
export function writeRequestHead(
  head: MessageHead,
  target: string | null,
  fields: Buffer,
  requestId: string,
  lastLines = '',
): Buffer {
  const lineLength = head.lineStart(0) - head.start + (target === null ? 0 : target.length + 16);
  const out = Buffer.allocUnsafe(lineLength + fields.length + lastLines.length + requestId.length + 32);
  let at = 0;
  if (target === null && head.minorVersion === 1) {
    at = head.bytes.copy(out, 0, head.start, head.lineStart(0));
  } else {
    at = out.write(`${head.method} `, 0, 'latin1');
    at +=
      target === null
        ? head.bytes.copy(out, at, head.targetStart, head.targetEnd)
        : out.write(target, at, 'latin1');
    at += versionEnd.copy(out, at);
  }
  at += fields.copy(out, at);
  if (lastLines !== '') at += out.write(lastLines, at, 'latin1');
  at += requestIdName.copy(out, at);
  at += out.write(requestId, at, 'latin1');
  at += headEnd.copy(out, at);
  return out.subarray(0, at);
}

/**
 * The trailer fields of a request that may go on: none of a name that the service or the application sends itself, or
 * whoever joins trailers to the head would take the client's word for ours (threats A14, C1).
 *
 * @param trailers Field lines, each ending in CRLF, as the body's reader lets them through.
 */
export function filterTrailers(
  trailers: Buffer,
  reservedNames: ReadonlySet<string>,
  custom: RequestHeaders | null,
): Buffer {
  if (trailers.length === 0) return trailers;
  const lines = trailers.toString('latin1').split('\r\n').slice(0, -1);
  const kept = lines.filter(line => {
    const name = line.slice(0, line.indexOf(':')).toLowerCase();
    return !reservedNames.has(name) && custom?.dropped.names.includes(name) !== true;
  });
  return kept.length === lines.length
    ? trailers
    : Buffer.from(kept.map(line => `${line}\r\n`).join(''), 'latin1');
}

/** The lines that change, by field index; null where none does. */
function inwardLines(
  head: MessageHead,
  own: PublishedAddress,
  links: PublishedLinks,
): Map<number, string> | null {
  let lines: Map<number, string> | null = null;
  for (const id of addressFieldIds) {
    for (let index = head.find(id); index >= 0; index = head.findNext(id, index)) {
      const value = head.valueOf(index);
      const inside = translateInwards(value, links, own);
      if (inside === value) continue;
      lines ??= new Map();
      lines.set(index, `${fieldNames[id]}: ${inside}\r\n`);
    }
  }
  return lines;
}

function isReserved(head: MessageHead, index: number, reserved: ReadonlySet<string>): boolean {
  const first = head.bytes[head.nameStart(index)]! | 0x20;
  if (first === 0x78 || first === 0x72) {
    for (const prefix of droppedPrefixes) if (head.nameStartsWith(index, prefix)) return true;
  }
  for (const name of reserved) if (head.nameIs(index, name)) return true;
  return false;
}

function writeCookieLine(head: MessageHead, index: number, out: Buffer, at: number): number {
  const { bytes } = head;
  const valueStart = at + bytes.copy(out, at, head.lineStart(index), head.valueStart(index));
  const end = copyForeignCookies(bytes, head.valueStart(index), head.valueEnd(index), out, valueStart);
  if (end === valueStart) return at;
  out[end] = cr;
  out[end + 1] = lf;
  return end + 2;
}
