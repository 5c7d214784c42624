import { Http1Error } from '../http1/error.ts';
import { fieldIds } from '../http1/fields.ts';
import { type HeadLimits, type MessageHead, parseRequestHead } from '../http1/head.ts';
import { makeWebSocketKey } from './websocket-handshake.ts';

/** A field list that no HTTP/2 request may have (RFC 9113 §8.1.1): its stream is reset, there is nothing to answer. */
export class MalformedRequest extends Error {
  readonly code = 'malformed_request';

  constructor() {
    super('malformed HTTP/2 request');
    this.name = 'MalformedRequest';
  }
}

// What HTTP/2 says with frames (RFC 9113 §8.2.2).
const forbidden = [
  fieldIds.connection,
  fieldIds.keepAlive,
  fieldIds.proxyConnection,
  fieldIds.upgrade,
  fieldIds.http2Settings,
];

/**
 * Writes a field list as the head of an HTTP/1.1 request and parses that, so that HTTP/2 is held to the rules and limits of
 * HTTP/1.1, and everything behind reads one and the same form. A body without a length becomes `chunked`, a CONNECT for
 * the protocol `websocket` (RFC 8441) the handshake of RFC 6455 with a key of our own.
 *
 * @param list Names and values in turn, one char a byte, as they came.
 * @param hasContent The stream goes on after the field list.
 * @returns The key of the handshake; null where the request is none.
 * @throws MalformedRequest where the stream must be reset.
 * @throws Http1Error for what the parser refuses, a Host that differs from `:authority`, and every other CONNECT.
 */
export function parseFieldList(
  list: readonly string[],
  hasContent: boolean,
  limits: HeadLimits,
  into: MessageHead,
): string | null {
  let method: string | undefined;
  let scheme: string | undefined;
  let authority: string | undefined;
  let path: string | undefined;
  let protocol: string | undefined;
  let host: string | undefined;
  let cookie: string | undefined;
  let hasLength = false;
  let lines = '';
  let lineCount = 1;
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at]!;
    const value = list[at + 1]!;
    switch (name) {
      case ':method':
        method = once(method, value);
        continue;
      case ':scheme':
        scheme = once(scheme, value);
        continue;
      case ':authority':
        authority = once(authority, value);
        continue;
      case ':path':
        path = once(path, value);
        continue;
      case ':protocol':
        protocol = once(protocol, value);
        continue;
      case 'host':
        host = once(host, value);
        continue;
      case 'cookie':
        // Crumbs of one field (RFC 9113 §8.2.3).
        cookie = cookie === undefined ? value : `${cookie}; ${value}`;
        continue;
      case 'sec-websocket-key':
        // Clients of HTTP/2 need none (RFC 8441 §5), and there may be but one.
        if (protocol !== undefined) continue;
        break;
      case 'content-length':
        hasLength = true;
    }
    lines += `${name}: ${value}\r\n`;
    lineCount += 1;
  }
  const key = protocol === 'websocket' && method === 'CONNECT' ? makeWebSocketKey() : null;
  if (key === null && method === 'CONNECT') throw new Http1Error('method_not_allowed');
  if (key === null && protocol !== undefined) throw new MalformedRequest();
  if (method === undefined || path === undefined) throw new MalformedRequest();
  if (scheme !== 'https' && scheme !== 'http') throw new Http1Error('bad_target');
  if (!path.startsWith('/')) throw new Http1Error('bad_target');
  if (cookie !== undefined) {
    lines += `cookie: ${cookie}\r\n`;
    lineCount += 1;
  }
  // What comes after a handshake is no content of it.
  const hasBody = hasContent && key === null;
  const isChunked = hasBody && !hasLength;
  if (isChunked) {
    lines += 'transfer-encoding: chunked\r\n';
    lineCount += 1;
  }
  if (key !== null) {
    lines += `connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${key}\r\n`;
    lineCount += 3;
  }
  const text = `${key === null ? method : 'GET'} ${path} HTTP/1.1\r\nhost: ${authorityOf(authority, host)}\r\n${lines}\r\n`;
  const bytes = Buffer.from(text, 'latin1');
  const isWhole = parseRequestHead(bytes, 0, bytes.length, limits, into);
  // A line end inside of a name or value would have made more lines of it, or an end before the end (threat A12).
  if (!isWhole || into.end !== bytes.length || into.fieldCount !== lineCount) throw new MalformedRequest();
  for (const id of forbidden) {
    if (into.find(id) >= 0 && !(key !== null && isOfHandshake(into, id))) throw new MalformedRequest();
  }
  const te = into.find(fieldIds.te);
  if (te >= 0 && !into.valueIs(te, 'trailers')) throw new MalformedRequest();
  if (into.isChunked !== isChunked || (!hasBody && into.bodyKind !== 'none')) throw new MalformedRequest();
  return key;
}

/** Whether a field that HTTP/2 forbids is there because we have written it. */
function isOfHandshake(head: MessageHead, id: number): boolean {
  if (id !== fieldIds.connection && id !== fieldIds.upgrade) return false;
  return head.findNext(id, head.find(id)) < 0;
}

function once(before: string | undefined, value: string): string {
  if (before !== undefined) throw new MalformedRequest();
  return value;
}

/** `:authority` rules; a Host beside it may only repeat it (threat A13). */
function authorityOf(authority: string | undefined, host: string | undefined): string {
  if (authority === undefined) {
    if (host === undefined) throw new Http1Error('missing_host');
    return host;
  }
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) throw new Http1Error('bad_host');
  return authority;
}
