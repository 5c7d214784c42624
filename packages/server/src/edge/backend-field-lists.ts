import { ChunkedDecoder } from '../http1/body.ts';
import { Http1Error } from '../http1/error.ts';
import { fieldIds, fieldNames } from '../http1/fields.ts';
import { type HeadLimits, type MessageHead, parseResponseHead } from '../http1/head.ts';

// What HTTP/2 says with frames (RFC 9113 §8.2.2), or with fields of its own.
const notSent = new Set<number>([
  fieldIds.host,
  fieldIds.connection,
  fieldIds.keepAlive,
  fieldIds.proxyConnection,
  fieldIds.te,
  fieldIds.transferEncoding,
  fieldIds.upgrade,
  fieldIds.http2Settings,
]);

const forbidden = [
  fieldIds.connection,
  fieldIds.keepAlive,
  fieldIds.proxyConnection,
  fieldIds.transferEncoding,
  fieldIds.upgrade,
] as const;

/**
 * The field list of a request whose head is written as HTTP/1.1. The parser has made sure that no name or value holds a
 * line end or NUL, and that the Host is one (threats A12, A13).
 *
 * @returns Names in lower case and values in turn, one char a byte.
 */
export function listRequestFields(head: MessageHead, scheme: 'http' | 'https'): string[] {
  const { bytes } = head;
  const list = [
    ':method',
    head.method,
    ':scheme',
    scheme,
    ':authority',
    head.valueOf(head.find(fieldIds.host)),
    ':path',
    bytes.toString('latin1', head.targetStart, head.targetEnd),
  ];
  for (let index = 0; index < head.fieldCount; index++) {
    if (!notSent.has(head.idOf(index))) list.push(head.nameOf(index), head.valueOf(index));
  }
  // Whoever is asked passes trailers on, and gRPC's servers want to hear it.
  list.push('te', 'trailers');
  return list;
}

/**
 * Writes the field list of an answer as the head of an HTTP/1.1 answer and parses that, so that HTTP/2 is held to the rules
 * and limits of HTTP/1.1, and everything behind reads one and the same form.
 *
 * @param method Of the request.
 * @param isWhole Nothing follows the field list.
 * @throws Http1Error for a list that no answer may have.
 */
export function parseAnswerFields(
  list: readonly string[],
  method: string,
  isWhole: boolean,
  limits: HeadLimits,
  into: MessageHead,
): void {
  let status = '';
  let lines = '';
  let lineCount = 0;
  let hasLength = false;
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at]!;
    if (name === ':status') {
      status = list[at + 1]!;
      continue;
    }
    // It would end the name, and the rest would be a part of the value.
    if (name.includes(':')) throw new Http1Error('bad_field_name', true);
    hasLength ||= name === fieldNames[fieldIds.contentLength];
    lines += `${name}: ${list[at + 1]}\r\n`;
    lineCount += 1;
  }
  const isChunked = !isWhole && !hasLength && hasContent(status, method);
  if (isChunked) {
    lines += 'transfer-encoding: chunked\r\n';
    lineCount += 1;
  }
  const bytes = Buffer.from(`HTTP/1.1 ${status} \r\n${lines}\r\n`, 'latin1');
  const isParsed = parseResponseHead(bytes, 0, bytes.length, limits, method, into);
  // A line end inside of a name or value would have made more lines of it, or an end before the end (threat A12).
  if (!isParsed || into.end !== bytes.length || into.fieldCount !== lineCount) {
    throw new Http1Error('bad_field_value', true);
  }
  if (into.status === 101) throw new Http1Error('bad_upgrade', true);
  for (const id of forbidden) {
    if (into.find(id) >= 0 && !(id === fieldIds.transferEncoding && isChunked)) {
      throw new Http1Error('bad_connection', true);
    }
  }
}

function hasContent(status: string, method: string): boolean {
  return method !== 'HEAD' && status !== '204' && status !== '304' && !status.startsWith('1');
}

/**
 * The lines of a trailer section that may go on, as those of a chunked body.
 *
 * @throws Http1Error for a list that is no trailer section, or too large.
 */
export function parseTrailerFields(list: readonly string[], limits: HeadLimits): Buffer {
  let section = '0\r\n';
  for (let at = 0; at < list.length; at += 2) {
    const line = `${list[at]}: ${list[at + 1]}`;
    if (/[\r\n]/.test(line)) throw new Http1Error('bad_field_value', true);
    section += `${line}\r\n`;
  }
  const bytes = Buffer.from(`${section}\r\n`, 'latin1');
  // What gRPC says of an error stands here, and is as long as a head.
  const decoder = new ChunkedDecoder({ maxExtensionBytes: 0, trailers: limits });
  decoder.begin(true);
  const end = decoder.read(bytes, 0, bytes.length, nobody);
  if (end !== bytes.length || !decoder.isDone) throw new Http1Error('bad_field_value', true);
  return decoder.trailers;
}

const nobody = { onData() {} };
