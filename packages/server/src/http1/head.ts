import { Http1Error, type Http1Reason } from './error.ts';
import { fieldIdOf, fieldIds, fieldNames, lowerToken } from './fields.ts';

const tab = 0x09;
const lf = 0x0a;
const cr = 0x0d;
const space = 0x20;
const comma = 0x2c;
const colon = 0x3a;

/** What one head may take; beyond it the message is refused, never cut. */
export interface HeadLimits {
  /** Bytes from the first byte of the message to the end of the blank line. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  readonly maxTargetBytes: number;
}

/** Above what browsers and common servers send (Node 16 KiB in all, nginx 8 KiB a line), far below what hurts. */
export const defaultHeadLimits: HeadLimits = { maxHeadBytes: 65_536, maxFields: 100, maxTargetBytes: 16_384 };

/** How the end of a message's body is found (RFC 9112 §6.3). `close`: at the end of the connection; responses only. */
export type BodyKind = 'none' | 'length' | 'chunked' | 'close';

const intsPerField = 5;
// Longer field sections are parsed anew each time: the copy is memory of every connection.
const longestRepeat = 4096;
const emptyBytes = Buffer.alloc(0);
const versionPrefix = Buffer.from('HTTP/', 'latin1');
const methods = new Map(
  (
    'GET HEAD POST PUT DELETE OPTIONS PATCH CONNECT TRACE QUERY ' +
    'PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK BIND REBIND UNBIND ACL SEARCH ' +
    'REPORT MKACTIVITY CHECKOUT MERGE MKCALENDAR LINK UNLINK NOTIFY SUBSCRIBE UNSUBSCRIBE M-SEARCH PURGE SOURCE'
  )
    .split(' ')
    .map(name => [name, name]),
);
const longestMethod = Math.max(...Array.from(methods.keys(), name => name.length));

// 1 for each byte of a request target: printable ASCII but `#`, whose meaning here nobody agrees on (threat B2).
const targetBytes = tableOf(byte => byte > space && byte < 0x7f && byte !== 0x23);
// 1 for each byte of a field value or reason phrase: printable, SP, HTAB and obs-text (RFC 9110 §5.5).
const valueBytes = tableOf(byte => byte === tab || (byte >= space && byte !== 0x7f));

let lastFieldsVersion = 0;

function tableOf(isMember: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (isMember(byte) ? 1 : 0));
}

/**
 * The head of one message as offsets into the bytes it was parsed from. One object serves a connection: each parse
 * overwrites it, and it is meaningful only after a parse that returned true and while `bytes` is unchanged.
 */
export class MessageHead {
  bytes: Buffer = emptyBytes;
  /** Offset of the first byte of the start line; a CRLF before a request is skipped. */
  start = 0;
  /** Offset after the blank line: the body's first byte. */
  end = 0;
  isResponse = false;
  isTrailerSection = false;

  /** Of a request, or of the request that a response answers. */
  method = '';
  targetStart = 0;
  targetEnd = 0;
  minorVersion: 0 | 1 = 1;

  /** 0 for requests. */
  status = 0;
  reasonStart = 0;
  reasonEnd = 0;

  /** After a parse that found the head incomplete: what it ended in. For `HeadReader`. */
  awaits = 0;

  fieldCount = 0;
  /** Five a field: name start, name end, value start, value end (without white space around it), id. */
  fields: Int32Array;

  /** -1 without the field. */
  contentLength = -1;
  /** Transfer-Encoding is there, and is `chunked`. */
  isChunked = false;
  bodyKind: BodyKind = 'none';
  /** The sender will take another message on this connection (RFC 9112 §9.3). False where the body ends with it. */
  keepAlive = true;
  /** An Upgrade field that Connection names, on HTTP/1.1. */
  upgrade = false;
  /** The client waits for 100 before it sends its body. */
  expectsContinue = false;
  /** Connection names fields beside `close`, `keep-alive` and `upgrade`: see `nominatedNames`. */
  hasNominations = false;

  /** What Connection says, as bits. For the parser. */
  connectionOptions = 0;

  /**
   * Changes when the fields do: two messages with the same version have the same field section, byte by byte, so that
   * what was worked out from it still holds. No two objects share a version.
   */
  fieldsVersion = 0;

  // The field section parsed last: where it was, its length, a sample of its bytes, and, once repeated, its copy.
  #fieldsAt = 0;
  #length = 0;
  #sample = 0;
  #hasCopy = false;
  #copy = emptyBytes;

  // The first field of each id, or -1.
  readonly #first = new Int16Array(fieldNames.length).fill(-1);

  /** @param capacity Fields to make room for at once; the parser makes more room where limits allow more. */
  constructor(capacity: number = defaultHeadLimits.maxFields) {
    this.fields = new Int32Array(capacity * intsPerField);
  }

  /** Index of the first field with this id, or -1. */
  find(id: number): number {
    return this.#first[id];
  }

  /** Index of the first field with this id after the field `index`, or -1. */
  findNext(id: number, index: number): number {
    for (let next = index + 1; next < this.fieldCount; next++) if (this.idOf(next) === id) return next;
    return -1;
  }

  idOf(index: number): number {
    return this.fields[index * intsPerField + 4];
  }

  /** Where the field's line starts, which is where its name starts. */
  lineStart(index: number): number {
    return this.fields[index * intsPerField];
  }

  /** Where the next line starts: after this field's CRLF. Lines of neighbouring fields touch each other. */
  lineEnd(index: number): number {
    return index + 1 < this.fieldCount ? this.fields[(index + 1) * intsPerField] : this.end - 2;
  }

  nameStart(index: number): number {
    return this.fields[index * intsPerField];
  }

  nameEnd(index: number): number {
    return this.fields[index * intsPerField + 1];
  }

  valueStart(index: number): number {
    return this.fields[index * intsPerField + 2];
  }

  valueEnd(index: number): number {
    return this.fields[index * intsPerField + 3];
  }

  /** The name in lower case. Allocates. */
  nameOf(index: number): string {
    const id = this.idOf(index);
    if (id > fieldIds.underscored) return fieldNames[id];
    return this.bytes.toString('latin1', this.nameStart(index), this.nameEnd(index)).toLowerCase();
  }

  /** The value, one char a byte. Allocates. */
  valueOf(index: number): string {
    return this.bytes.toString('latin1', this.valueStart(index), this.valueEnd(index));
  }

  /** Whether the field's name is `name` (lower case), for names without an id. */
  nameIs(index: number, name: string): boolean {
    return this.nameEnd(index) - this.nameStart(index) === name.length && this.nameStartsWith(index, name);
  }

  /** Whether the field's name starts with `prefix` (lower case). */
  nameStartsWith(index: number, prefix: string): boolean {
    const start = this.nameStart(index);
    if (this.nameEnd(index) - start < prefix.length) return false;
    for (let i = 0; i < prefix.length; i++) {
      if (lowerToken[this.bytes[start + i]] !== prefix.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Whether the field's value is `value` (lower-case ASCII) in any case. */
  valueIs(index: number, value: string): boolean {
    return equalsFolded(this.bytes, this.valueStart(index), this.valueEnd(index), value);
  }

  /**
   * What Connection names beside `close`, `keep-alive` and `upgrade`, in lower case: fields that a proxy takes out
   * before it adds its own (RFC 9110 §7.6.1). Never a field that frames or routes the message: such a nomination is
   * refused while parsing. Allocates.
   */
  nominatedNames(): string[] {
    const names: string[] = [];
    for (let at = this.find(fieldIds.connection); at >= 0; at = this.findNext(fieldIds.connection, at)) {
      for (const element of this.valueOf(at).toLowerCase().split(',')) {
        const name = element.replace(/^[ \t]+|[ \t]+$/g, '');
        if (name !== '' && name !== 'close' && name !== 'keep-alive' && name !== 'upgrade') names.push(name);
      }
    }
    return names;
  }

  /** Makes the object ready for the start line of another message. For the parser. */
  begin(bytes: Buffer, start: number, isResponse: boolean): void {
    this.bytes = bytes;
    this.start = start;
    this.end = start;
    if (this.isResponse !== isResponse) this.#hasCopy = false;
    this.isResponse = isResponse;
    this.isTrailerSection = false;
    this.awaits = awaitsAnything;
    this.status = 0;
  }

  /** Makes the object ready for other fields. For the parser. */
  clearFields(maxFields: number): void {
    for (let index = 0; index < this.fieldCount; index++) this.#first[this.idOf(index)] = -1;
    if (this.fields.length < maxFields * intsPerField) this.fields = new Int32Array(maxFields * intsPerField);
    this.#hasCopy = false;
    lastFieldsVersion++;
    this.fieldsVersion = lastFieldsVersion;
    this.fieldCount = 0;
    this.contentLength = -1;
    this.isChunked = false;
    this.hasNominations = false;
    this.connectionOptions = 0;
  }

  /** Takes note of the fields just parsed, from `at` to `end`, for `repeatFields`. For the parser. */
  rememberFields(at: number): void {
    const length = this.end - at;
    this.#fieldsAt = at;
    if (length > longestRepeat || this.isTrailerSection) return;
    const sample = sampleOf(this.bytes, at, length);
    // A copy is worth its time only where the sender has begun to repeat itself.
    this.#hasCopy = length === this.#length && sample === this.#sample;
    this.#length = length;
    this.#sample = sample;
    if (!this.#hasCopy) return;
    if (this.#copy.length < length) this.#copy = Buffer.allocUnsafeSlow((length + 255) & ~255);
    this.bytes.copy(this.#copy, 0, at, this.end);
  }

  /**
   * Whether the bytes at `at` are, up to and with the blank line, those of the fields parsed last. Then everything
   * known of the fields holds, moved by the distance. Clients repeat themselves: this costs a tenth of parsing.
   * For the parser.
   */
  repeatFields(at: number, limit: number, maxFields: number): boolean {
    const length = this.#length;
    if (!this.#hasCopy || at + length > limit || this.fieldCount > maxFields) return false;
    const bytes = this.bytes;
    if (sampleOf(bytes, at, length) !== this.#sample) return false;
    if (this.#copy.compare(bytes, at, at + length, 0, length) !== 0) return false;
    this.#moveFields(at - this.#fieldsAt);
    this.#fieldsAt = at;
    this.end = at + length;
    return true;
  }

  #moveFields(distance: number): void {
    if (distance === 0) return;
    const fields = this.fields;
    for (let at = 0, end = this.fieldCount * intsPerField; at < end; at += intsPerField) {
      fields[at] += distance;
      fields[at + 1] += distance;
      fields[at + 2] += distance;
      fields[at + 3] += distance;
    }
  }

  /** Adds a field. For the parser. */
  push(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, id: number): void {
    const index = this.fieldCount++;
    const at = index * intsPerField;
    const fields = this.fields;
    fields[at] = nameStart;
    fields[at + 1] = nameEnd;
    fields[at + 2] = valueStart;
    fields[at + 3] = valueEnd;
    fields[at + 4] = id;
    if (this.#first[id] < 0) this.#first[id] = index;
  }
}

// Twelve bytes spread over the section: most sections that differ differ in one of them or in length.
function sampleOf(bytes: Buffer, at: number, length: number): number {
  const stride = length / 13;
  let sample = 0;
  for (let i = 1; i <= 12; i++) sample = (Math.imul(sample, 31) + bytes[at + ((stride * i) | 0)]) | 0;
  return sample;
}

/**
 * Parses the head of a request (RFC 9112 §3, §5), strictly: what two parsers could read differently is refused.
 * One CRLF before the request line is skipped (§2.2).
 *
 * @returns False while the head is incomplete; nothing of `into` may be used then.
 * @throws Http1Error at the first byte that no head may have there, complete or not.
 */
export function parseRequestHead(
  bytes: Buffer,
  start: number,
  end: number,
  limits: HeadLimits,
  into: MessageHead,
): boolean {
  const limit = Math.min(end, start + limits.maxHeadBytes);
  into.begin(bytes, start, false);
  if (
    parseRequestLine(bytes, start, limit, limits, into) &&
    parseFields(bytes, into.end, limit, limits, into)
  ) {
    finishRequest(into);
    return true;
  }
  if (end - start >= limits.maxHeadBytes) throw new Http1Error('head_too_large');
  return false;
}

/**
 * Parses the head of a response (RFC 9112 §4, §5), as strictly.
 *
 * @param requestMethod Method of the request that is being answered: HEAD decides whether a body follows.
 * @returns False while the head is incomplete; nothing of `into` may be used then.
 * @throws Http1Error with code `bad_response`.
 */
export function parseResponseHead(
  bytes: Buffer,
  start: number,
  end: number,
  limits: HeadLimits,
  requestMethod: string,
  into: MessageHead,
): boolean {
  const limit = Math.min(end, start + limits.maxHeadBytes);
  into.begin(bytes, start, true);
  into.method = requestMethod;
  if (parseStatusLine(bytes, start, limit, into) && parseFields(bytes, into.end, limit, limits, into)) {
    finishResponse(into);
    return true;
  }
  if (end - start >= limits.maxHeadBytes) throw new Http1Error('head_too_large', true);
  return false;
}

/**
 * Parses a trailer section (RFC 9112 §7.1.2): field lines and the blank line. Its fields frame nothing, so `into` says
 * no more than where they are.
 *
 * @returns False while the section is incomplete.
 * @throws Http1Error as the head of the same message would.
 */
export function parseTrailerSection(
  bytes: Buffer,
  start: number,
  end: number,
  limits: HeadLimits,
  isResponse: boolean,
  into: MessageHead,
): boolean {
  const limit = Math.min(end, start + limits.maxHeadBytes);
  into.begin(bytes, start, isResponse);
  into.isTrailerSection = true;
  if (parseFields(bytes, start, limit, limits, into)) return true;
  if (end - start >= limits.maxHeadBytes) throw refusal(into, 'trailers_too_large');
  return false;
}

/**
 * Decides when a head that arrives in pieces is worth parsing, so that bytes arriving one at a time cost no more than
 * bytes arriving at once, while a bad byte is still refused when it arrives.
 */
export class HeadReader {
  #parsed = 0;

  /**
   * As `parseRequestHead`, with all bytes of the head so far and the same `into` in each call: the bytes may have moved
   * (`start` may differ), but must not have changed.
   */
  readRequest(bytes: Buffer, start: number, end: number, limits: HeadLimits, into: MessageHead): boolean {
    if (!this.#isWorthParsing(bytes, start, end, limits, into)) return false;
    return this.#note(parseRequestHead(bytes, start, end, limits, into), end - start);
  }

  /** As `parseResponseHead`, otherwise as `readRequest`. */
  readResponse(
    bytes: Buffer,
    start: number,
    end: number,
    limits: HeadLimits,
    requestMethod: string,
    into: MessageHead,
  ): boolean {
    if (!this.#isWorthParsing(bytes, start, end, limits, into)) return false;
    return this.#note(parseResponseHead(bytes, start, end, limits, requestMethod, into), end - start);
  }

  /** As `parseTrailerSection`, otherwise as `readRequest`. */
  readTrailers(
    bytes: Buffer,
    start: number,
    end: number,
    limits: HeadLimits,
    isResponse: boolean,
    into: MessageHead,
  ): boolean {
    if (!this.#isWorthParsing(bytes, start, end, limits, into)) return false;
    return this.#note(parseTrailerSection(bytes, start, end, limits, isResponse, into), end - start);
  }

  /** Forgets what has been read, for a head that is given up. A complete head does it by itself. */
  reset(): void {
    this.#parsed = 0;
  }

  #note(isComplete: boolean, length: number): boolean {
    this.#parsed = isComplete ? 0 : length;
    return isComplete;
  }

  // Parsing again pays where a byte has come that is not just more of what the last parse ended in. The number of lines
  // is limited, so parses are few.
  #isWorthParsing(bytes: Buffer, start: number, end: number, limits: HeadLimits, into: MessageHead): boolean {
    if (this.#parsed === 0 || end - start >= limits.maxHeadBytes) return true;
    const ordinary = ordinaryBytes[into.awaits];
    if (ordinary === undefined) return true;
    if (into.awaits === awaitsTarget && end - start > limits.maxTargetBytes) return true;
    for (let at = start + this.#parsed; at < end; at++) if (ordinary[bytes[at]] === 0) return true;
    this.#parsed = end - start;
    return false;
  }
}

// What a parse that found the head incomplete was in the middle of.
const awaitsAnything = 0;
const awaitsName = 1;
const awaitsText = 2;
const awaitsTarget = 3;
const ordinaryBytes = [undefined, lowerToken, valueBytes, targetBytes];

// After the method: TARGET SP HTTP/1.x CRLF.
function parseRequestLine(
  bytes: Buffer,
  start: number,
  limit: number,
  limits: HeadLimits,
  into: MessageHead,
): boolean {
  let at = skipLeadingCrlf(bytes, start, limit);
  if (at < 0) return false;
  into.start = at;

  const methodEnd = scanToken(bytes, at, limit);
  if (methodEnd - at > longestMethod) throw new Http1Error('unknown_method');
  if (methodEnd === limit) return false;
  if (bytes[methodEnd] !== space || methodEnd === at)
    throw new Http1Error(lineFault(bytes[methodEnd], 'bad_method'));
  into.method = readMethod(bytes, at, methodEnd);

  at = methodEnd + 1;
  into.targetStart = at;
  const targetLimit = Math.min(limit, at + limits.maxTargetBytes + 1);
  while (at < targetLimit && targetBytes[bytes[at]] === 1) at++;
  if (at - into.targetStart > limits.maxTargetBytes) throw new Http1Error('target_too_long');
  if (at === limit) return isIncomplete(into, awaitsTarget);
  if (bytes[at] !== space || at === into.targetStart)
    throw new Http1Error(lineFault(bytes[at], 'bad_target'));
  into.targetEnd = at;

  const lineEnd = parseVersion(bytes, at + 1, limit, into);
  if (lineEnd < 0 || !expectCrlf(bytes, lineEnd, limit, into, 'bad_version')) return false;
  into.end = lineEnd + 2;
  return true;
}

// Some clients send a CRLF after the body of a POST (RFC 9112 §2.2). One is enough for them.
function skipLeadingCrlf(bytes: Buffer, start: number, limit: number): number {
  if (start === limit) return -1;
  if (bytes[start] !== cr) return start;
  if (start + 1 === limit) return -1;
  if (bytes[start + 1] !== lf) throw new Http1Error('bare_cr');
  return start + 2 === limit ? -1 : start + 2;
}

// The offset after HTTP/1.x, or -1 while incomplete.
function parseVersion(bytes: Buffer, start: number, limit: number, into: MessageHead): number {
  for (let i = 0; i < versionPrefix.length; i++) {
    if (start + i === limit) return -1;
    if (bytes[start + i] !== versionPrefix[i]) throw refusal(into, 'bad_version');
  }
  const major = digitAt(bytes, start + 5, limit, into);
  if (major < 0) return -1;
  if (start + 6 === limit) return -1;
  if (bytes[start + 6] !== 0x2e) throw refusal(into, 'bad_version');
  const minor = digitAt(bytes, start + 7, limit, into);
  if (minor < 0) return -1;
  if (major !== 1 || minor > 1) throw refusal(into, 'version_not_supported');
  into.minorVersion = minor === 1 ? 1 : 0;
  return start + 8;
}

function digitAt(bytes: Buffer, at: number, limit: number, into: MessageHead): number {
  if (at === limit) return -1;
  const digit = bytes[at] - 0x30;
  if (digit < 0 || digit > 9) throw refusal(into, 'bad_version');
  return digit;
}

// HTTP/1.x SP 3DIGIT [ SP reason ] CRLF. The SP before an empty reason is left out by many servers.
function parseStatusLine(bytes: Buffer, start: number, limit: number, into: MessageHead): boolean {
  let at = parseVersion(bytes, start, limit, into);
  if (at < 0 || at === limit) return false;
  if (bytes[at] !== space) throw refusal(into, 'bad_status_line');
  at++;
  let status = 0;
  for (const end = at + 3; at < end; at++) {
    if (at === limit) return false;
    const digit = bytes[at] - 0x30;
    if (digit < 0 || digit > 9) throw refusal(into, 'bad_status_line');
    status = status * 10 + digit;
  }
  if (status < 100) throw refusal(into, 'bad_status_line');
  into.status = status;
  if (at === limit) return false;
  if (bytes[at] === space) at++;
  else if (bytes[at] !== cr) throw refusal(into, lineFault(bytes[at], 'bad_status_line'));
  into.reasonStart = at;
  while (at < limit && valueBytes[bytes[at]] === 1) at++;
  if (at === limit) return isIncomplete(into, awaitsText);
  if (!expectCrlf(bytes, at, limit, into, 'bad_status_line')) return false;
  into.reasonEnd = at;
  into.end = at + 2;
  return true;
}

// The hot loop: every byte of a head but its first line goes through one of the two table scans.
function parseFields(
  bytes: Buffer,
  start: number,
  limit: number,
  limits: HeadLimits,
  into: MessageHead,
): boolean {
  const names = lowerToken;
  if (into.repeatFields(start, limit, limits.maxFields)) return true;
  into.clearFields(limits.maxFields);
  let at = start;
  while (at < limit) {
    if (bytes[at] === cr) {
      if (!expectCrlf(bytes, at, limit, into, 'bare_cr')) return false;
      into.end = at + 2;
      into.rememberFields(start);
      return true;
    }
    if (into.fieldCount === limits.maxFields) throw refusal(into, 'too_many_fields');

    const nameStart = at;
    while (at < limit && names[bytes[at]] !== 0) at++;
    if (at === limit) return isIncomplete(into, awaitsName);
    if (bytes[at] !== colon || at === nameStart) throw refusal(into, nameFault(bytes[at], at === nameStart));
    const nameEnd = at++;

    // One space is what nearly everybody sends; a loop here, or below, would be a branch to guess wrong.
    if (at < limit && bytes[at] === space) at++;
    if (at < limit && (bytes[at] === space || bytes[at] === tab)) at = skipWhiteSpace(bytes, at, limit);
    const valueStart = at;
    for (; at < limit; at++) {
      // Printable ASCII first: arithmetic beats a second load for nearly all bytes.
      const offset = bytes[at] - space;
      if (offset >>> 0 > 0x5e && valueBytes[bytes[at]] === 0) break;
    }
    if (at + 1 >= limit || bytes[at] !== cr || bytes[at + 1] !== lf) {
      if (at === limit) return isIncomplete(into, awaitsText);
      if (!expectCrlf(bytes, at, limit, into, 'bad_field_value')) return false;
    }
    let valueEnd = at;
    if (bytes[at - 1] <= space) valueEnd = trimWhiteSpace(bytes, valueStart, at);
    at += 2;

    const id = fieldIdOf(bytes, nameStart, nameEnd);
    if (id >= fieldIds.host && id <= fieldIds.expect) noteField(into, id, valueStart, valueEnd, at - 2);
    into.push(nameStart, nameEnd, valueStart, valueEnd, id);
  }
  return false;
}

function isIncomplete(into: MessageHead, awaits: number): false {
  into.awaits = awaits;
  return false;
}

function skipWhiteSpace(bytes: Buffer, start: number, limit: number): number {
  let at = start;
  while (at < limit && (bytes[at] === space || bytes[at] === tab)) at++;
  return at;
}

function trimWhiteSpace(bytes: Buffer, start: number, end: number): number {
  let at = end;
  while (at > start && (bytes[at - 1] === space || bytes[at - 1] === tab)) at--;
  return at;
}

// True: CRLF is at `at`. False: not yet there.
function expectCrlf(
  bytes: Buffer,
  at: number,
  limit: number,
  into: MessageHead,
  otherwise: Http1Reason,
): boolean {
  if (at >= limit) return false;
  if (bytes[at] !== cr) throw refusal(into, lineFault(bytes[at], otherwise));
  if (at + 1 === limit) return false;
  if (bytes[at + 1] !== lf) throw refusal(into, 'bare_cr');
  return true;
}

// What a field that decides framing or the connection says. Called before the field is pushed.
function noteField(into: MessageHead, id: number, start: number, end: number, lineEnd: number): void {
  if (into.isTrailerSection) return;
  switch (id) {
    case fieldIds.host:
      if (into.find(id) >= 0) throw refusal(into, 'repeated_host');
      return;
    case fieldIds.contentLength:
      if (into.find(id) >= 0) throw refusal(into, 'repeated_content_length');
      into.contentLength = readContentLength(into, start, end, lineEnd);
      return;
    case fieldIds.transferEncoding:
      if (into.find(id) >= 0) throw refusal(into, 'repeated_transfer_encoding');
      if (end !== lineEnd || !equalsFolded(into.bytes, start, end, 'chunked')) {
        throw refusal(into, 'bad_transfer_encoding');
      }
      into.isChunked = true;
      return;
    case fieldIds.connection:
      noteConnection(into, start, end);
      return;
    case fieldIds.expect:
      // Anything else, a repeated field included, could be an expectation to one parser and none to another.
      if (into.isResponse) return;
      if (into.find(id) >= 0 || !equalsFolded(into.bytes, start, end, '100-continue')) {
        throw refusal(into, 'bad_expectation');
      }
  }
}

// DIGITs only, without leading zeros, below 10^15 so that sums stay exact, no white space behind: `5 `, `+5`, `05`,
// `0x5` and `5, 5` have each been read in two ways by somebody (threat A2).
function readContentLength(into: MessageHead, start: number, end: number, lineEnd: number): number {
  const bytes = into.bytes;
  const length = end - start;
  if (length === 0 || length > 15 || end !== lineEnd) throw refusal(into, 'bad_content_length');
  if (length > 1 && bytes[start] === 0x30) throw refusal(into, 'bad_content_length');
  let value = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at] - 0x30;
    if (digit < 0 || digit > 9) throw refusal(into, 'bad_content_length');
    value = value * 10 + digit;
  }
  return value;
}

const connectionClose = 1;
const connectionKeepAlive = 2;
const connectionUpgrade = 4;

// Sets keepAlive and upgrade from what is named; finishConnection has the last word about both.
function noteConnection(into: MessageHead, start: number, end: number): void {
  const bytes = into.bytes;
  let at = start;
  while (at < end) {
    const tokenEnd = scanToken(bytes, at, end);
    if (tokenEnd > at) noteConnectionOption(into, at, tokenEnd);
    at = tokenEnd;
    at = skipWhiteSpace(bytes, at, end);
    if (at === end) return;
    if (bytes[at] !== comma) throw refusal(into, 'bad_connection');
    at = skipWhiteSpace(bytes, at + 1, end);
  }
}

function noteConnectionOption(into: MessageHead, start: number, end: number): void {
  const bytes = into.bytes;
  if (equalsFolded(bytes, start, end, 'keep-alive')) into.connectionOptions |= connectionKeepAlive;
  else if (equalsFolded(bytes, start, end, 'close')) into.connectionOptions |= connectionClose;
  else if (equalsFolded(bytes, start, end, 'upgrade')) into.connectionOptions |= connectionUpgrade;
  else {
    // Taking these out would change what the message is or where it goes (RFC 9110 §7.6.1 forbids naming them).
    for (const name of neverNominated) {
      if (equalsFolded(bytes, start, end, name)) throw refusal(into, 'bad_connection');
    }
    into.hasNominations = true;
  }
}

const neverNominated = ['host', 'content-length', 'transfer-encoding'];

function finishRequest(into: MessageHead): void {
  const host = into.find(fieldIds.host);
  // HTTP/1.0 clients may leave Host out; without it nobody knows which application is meant.
  if (host < 0) throw new Http1Error('missing_host');
  if (into.valueStart(host) === into.valueEnd(host)) throw new Http1Error('bad_host');
  finishFraming(into);
  into.bodyKind = into.isChunked ? 'chunked' : into.contentLength > 0 ? 'length' : 'none';
  // A server ignores both on HTTP/1.0 (RFC 9110 §7.8, §10.1.1).
  into.expectsContinue = into.minorVersion === 1 && into.find(fieldIds.expect) >= 0;
  finishConnection(into);
}

function finishResponse(into: MessageHead): void {
  finishFraming(into);
  into.bodyKind = responseBodyKind(into);
  finishConnection(into);
  // What follows a 101 belongs to the protocol that its Upgrade names (RFC 9110 §15.2.2).
  if (into.status === 101 && !into.upgrade) throw refusal(into, 'bad_upgrade');
  if (into.bodyKind === 'close') into.keepAlive = false;
}

function finishFraming(into: MessageHead): void {
  if (!into.isChunked) return;
  if (into.contentLength >= 0) throw refusal(into, 'length_and_encoding');
  if (into.minorVersion === 0) throw refusal(into, 'bad_transfer_encoding');
}

// RFC 9112 §6.3, in its order.
function responseBodyKind(into: MessageHead): BodyKind {
  const { status } = into;
  if (status < 200 || status === 204) {
    // A recipient that believes such fields would wait for a body, or find one (RFC 9110 §8.6, RFC 9112 §6.1).
    if (into.isChunked || into.contentLength > 0) throw refusal(into, 'body_not_allowed');
    return 'none';
  }
  if (status === 304 || into.method === 'HEAD') return 'none';
  if (into.isChunked) return 'chunked';
  if (into.contentLength < 0) return 'close';
  return into.contentLength > 0 ? 'length' : 'none';
}

function finishConnection(into: MessageHead): void {
  const options = into.connectionOptions;
  into.keepAlive =
    (options & connectionClose) === 0 && (into.minorVersion === 1 || (options & connectionKeepAlive) !== 0);
  into.upgrade = into.minorVersion === 1 && (options & connectionUpgrade) !== 0 && namesProtocol(into);
}

/** An Upgrade without a value asks for nothing, and whoever gets it goes on with HTTP/1.1 (RFC 9110 §7.8). */
function namesProtocol(head: MessageHead): boolean {
  const index = head.find(fieldIds.upgrade);
  return index >= 0 && head.valueEnd(index) > head.valueStart(index);
}

function scanToken(bytes: Buffer, start: number, limit: number): number {
  let at = start;
  while (at < limit && lowerToken[bytes[at]] !== 0) at++;
  return at;
}

function equalsFolded(bytes: Buffer, start: number, end: number, expected: string): boolean {
  if (end - start !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) {
    const byte = bytes[start + i];
    const folded = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (folded !== expected.charCodeAt(i)) return false;
  }
  return true;
}

// Methods are case-sensitive. Known is what Node's parser knows, so that no
// backend of ours can take for two messages what we took for one.
function readMethod(bytes: Buffer, start: number, end: number): string {
  if (end - start === 3 && bytes[start] === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54)
    return 'GET';
  const method = methods.get(bytes.toString('latin1', start, end));
  if (method === undefined) throw new Http1Error('unknown_method');
  // CONNECT would turn the rest of the connection into something else; TRACE sends back what only we may see.
  if (method === 'CONNECT' || method === 'TRACE') throw new Http1Error('method_not_allowed');
  return method;
}

function refusal(into: MessageHead, reason: Http1Reason): Http1Error {
  return new Http1Error(reason, into.isResponse);
}

function lineFault(byte: number, otherwise: Http1Reason): Http1Reason {
  if (byte === lf) return 'bare_lf';
  return byte === cr ? 'bare_cr' : otherwise;
}

function nameFault(byte: number, isEmpty: boolean): Http1Reason {
  if (byte === space || byte === tab) return isEmpty ? 'folded_field' : 'space_before_colon';
  return lineFault(byte, 'bad_field_name');
}
