import { Http1Error, type Http1Reason } from './error.ts';
import { fieldIdOf, fieldIds, lowerToken } from './fields.ts';
import { type BodyKind, type HeadLimits, HeadReader, MessageHead } from './head.ts';

const lf = 0x0a;
const cr = 0x0d;
const quote = 0x22;
const semicolon = 0x3b;
const equals = 0x3d;
const backslash = 0x5c;
const noBytes = Buffer.alloc(0);
const hexDigits = '0123456789abcdef';
const maxSizeDigits = 12;
const notHex = 255;
const hexValues = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(value) ? notHex : value;
});

/** Takes the body's bytes as they are found: a range of the bytes just read, valid during the call only. */
export interface BodySink {
  onData(bytes: Buffer, start: number, end: number): void;
}

/** What a chunked body may take beside its data. */
export interface ChunkedLimits {
  /** Bytes of chunk extensions in the whole message; nobody needs them, so they are refused early (threat A6). */
  readonly maxExtensionBytes: number;
  readonly trailers: HeadLimits;
}

export const defaultChunkedLimits: ChunkedLimits = {
  maxExtensionBytes: 1024,
  trailers: { maxHeadBytes: 8192, maxFields: 32, maxTargetBytes: 0 },
};

/** The end of a chunked body without trailers. */
export const lastChunk: Buffer = Buffer.from('0\r\n\r\n', 'latin1');

/** The longest chunk header that `writeChunkHeader` writes. */
export const maxChunkHeaderBytes = 16;

/**
 * Writes `size` in hexadecimal and CRLF at `at`, the line before a chunk's data.
 *
 * @param size More than 0: a chunk of size 0 would end the body.
 * @returns The offset after what was written.
 */
export function writeChunkHeader(into: Buffer, at: number, size: number): number {
  if (size <= 0) throw new TypeError('a chunk has at least one byte');
  let digits = 1;
  for (let rest = size; rest >= 16; rest = Math.floor(rest / 16)) digits++;
  let rest = size;
  for (let to = at + digits - 1; to >= at; to--) {
    into[to] = hexDigits.charCodeAt(rest % 16);
    rest = Math.floor(rest / 16);
  }
  into[at + digits] = cr;
  into[at + digits + 1] = lf;
  return at + digits + 2;
}

/** One chunk of bytes[start, end), which is not empty. */
export function encodeChunk(bytes: Buffer, start: number, end: number): Buffer {
  const out = Buffer.allocUnsafe(maxChunkHeaderBytes + (end - start) + 2);
  let at = writeChunkHeader(out, 0, end - start);
  at += bytes.copy(out, at, start, end);
  out[at] = cr;
  out[at + 1] = lf;
  return out.subarray(0, at + 2);
}

/** The last chunk, with a trailer section whose lines each end in CRLF. */
export function encodeLastChunk(trailers: Buffer): Buffer {
  if (trailers.length === 0) return lastChunk;
  return Buffer.concat([Buffer.from('0\r\n', 'latin1'), trailers, Buffer.from('\r\n', 'latin1')]);
}

/**
 * Whether a trailer field may go on (RFC 9110 §6.5.1, threats A14 and C1). Trailers arrive after the decision about
 * the request was made, so whatever frames, routes, authenticates or describes the message is dropped: every name with
 * an id of its own but ETag and digests, names with an underscore, and the families of names that proxies trust.
 *
 * @param name In lower case.
 */
export function isAllowedTrailer(name: string): boolean {
  const bytes = Buffer.from(name, 'latin1');
  const id = fieldIdOf(bytes, 0, bytes.length);
  if (knownTrailers.has(id)) return true;
  return id === fieldIds.other && !forbiddenTrailerFamilies.some(prefix => name.startsWith(prefix));
}

/** What can only be said once the content is known (RFC 9110 §8.8.3, RFC 9530 §2). */
const knownTrailers: ReadonlySet<number> = new Set([
  fieldIds.etag,
  fieldIds.contentMd5,
  fieldIds.digest,
  fieldIds.contentDigest,
  fieldIds.reprDigest,
]);

const forbiddenTrailerFamilies = [
  'x-forwarded-',
  'x-postern-',
  'x-original-',
  'proxy-',
  'sec-',
  'access-control-',
  'if-',
  'cf-',
];

/** Finds the end of one message body after the other on a connection, and hands out what is inside. */
export class BodyReader {
  #kind: BodyKind = 'none';
  #remaining = 0;
  readonly #chunked: ChunkedDecoder;

  /** The body has ended; the next byte belongs to another message. */
  isDone = true;

  /** @param mayPass Decides about each trailer field by its lower-case name. */
  constructor(
    limits: ChunkedLimits = defaultChunkedLimits,
    mayPass: (name: string) => boolean = isAllowedTrailer,
  ) {
    this.#chunked = new ChunkedDecoder(limits, mayPass);
  }

  /** Starts the body that follows `head`, which has been parsed. Looks at nothing of it afterwards. */
  begin(head: MessageHead): void {
    this.#kind = head.bodyKind;
    this.isDone = head.bodyKind === 'none';
    if (head.bodyKind === 'length') this.#remaining = head.contentLength;
    if (head.bodyKind === 'chunked') this.#chunked.begin(head.isResponse);
  }

  /** Bytes that are still to come where the length is known, else -1. */
  get remaining(): number {
    if (this.isDone) return 0;
    return this.#kind === 'length' ? this.#remaining : -1;
  }

  /** Field lines, each with its CRLF, that came after a chunked body and may go on; usually empty. */
  get trailers(): Buffer {
    return this.#kind === 'chunked' && this.isDone ? this.#chunked.trailers : noBytes;
  }

  /**
   * Reads on. Gives `sink` the parts of bytes[start, end) that are content.
   *
   * @returns The offset after the last byte of this body: `end`, unless it is done.
   * @throws Http1Error for a chunked body that is not exactly as RFC 9112 §7.1 has it.
   */
  read(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    if (this.isDone || start === end) return start;
    if (this.#kind === 'chunked') {
      const next = this.#chunked.read(bytes, start, end, sink);
      this.isDone = this.#chunked.isDone;
      return next;
    }
    if (this.#kind === 'close') {
      sink.onData(bytes, start, end);
      return end;
    }
    const next = Math.min(end, start + this.#remaining);
    this.#remaining -= next - start;
    this.isDone = this.#remaining === 0;
    sink.onData(bytes, start, next);
    return next;
  }

  /** The sender has closed: ends a close-delimited body. False: the body is cut off. */
  end(): boolean {
    if (this.#kind === 'close') this.isDone = true;
    return this.isDone;
  }
}

const sizeStart = 0;
const size = 1;
const extensionNameStart = 2;
// extensionName and extensionToken follow the states that their first byte is awaited in: see `#stepExtension`.
const extensionName = 3;
const extensionValueStart = 4;
const extensionQuoted = 6;
const extensionQuotedPair = 7;
const extensionQuotedEnd = 8;
const sizeLf = 9;
const data = 10;
const dataCr = 11;
const dataLf = 12;
const trailer = 13;

/** Decodes one chunked body (RFC 9112 §7.1) whose bytes arrive in any pieces. */
export class ChunkedDecoder {
  isDone = true;
  /** Field lines of the trailer section, each with its CRLF, that may go on. */
  trailers: Buffer = noBytes;

  readonly #limits: ChunkedLimits;
  readonly #mayPass: (name: string) => boolean;
  #isResponse = false;
  #state = sizeStart;
  #size = 0;
  #sizeDigits = 0;
  #extensionBytes = 0;
  #trailerBytes = noBytes;
  readonly #trailerReader = new HeadReader();
  readonly #section = new MessageHead(0);

  constructor(
    limits: ChunkedLimits = defaultChunkedLimits,
    mayPass: (name: string) => boolean = isAllowedTrailer,
  ) {
    this.#limits = limits;
    this.#mayPass = mayPass;
  }

  /** Starts a body. */
  begin(isResponse: boolean): void {
    this.isDone = false;
    this.trailers = noBytes;
    this.#isResponse = isResponse;
    this.#state = sizeStart;
    this.#size = 0;
    this.#sizeDigits = 0;
    this.#extensionBytes = 0;
    this.#trailerBytes = noBytes;
    this.#trailerReader.reset();
  }

  /** As `BodyReader.read`. */
  read(bytes: Buffer, start: number, end: number, sink: BodySink): number {
    let at = start;
    while (at < end && !this.isDone) {
      if (this.#state === data) {
        const next = Math.min(end, at + this.#size);
        this.#size -= next - at;
        if (this.#size === 0) this.#state = dataCr;
        sink.onData(bytes, at, next);
        at = next;
      } else if (this.#state === trailer) {
        at = this.#readTrailers(bytes, at, end);
      } else {
        this.#step(bytes[at++]);
      }
    }
    return at;
  }

  // One byte of what stands between the data of two chunks.
  #step(byte: number): void {
    switch (this.#state) {
      case sizeStart:
        this.#addDigit(byte);
        this.#state = size;
        return;
      case size:
        if (byte === cr) this.#state = sizeLf;
        else if (byte === semicolon) this.#enter(extensionNameStart);
        else this.#addDigit(byte);
        return;
      case sizeLf:
        this.#expect(byte, lf, 'bare_cr');
        this.#state = this.#size === 0 ? trailer : data;
        this.#sizeDigits = 0;
        return;
      case dataCr:
        this.#expect(byte, cr, 'bad_chunk_end');
        this.#state = dataLf;
        return;
      case dataLf:
        this.#expect(byte, lf, 'bad_chunk_end');
        this.#state = sizeStart;
        return;
      default:
        this.#stepExtension(byte);
    }
  }

  #addDigit(byte: number): void {
    const digit = hexValues[byte];
    if (digit === notHex) throw this.#refusal(byte === lf ? 'bare_lf' : 'bad_chunk_size');
    // 12 digits are 256 TiB. Leading zeros count too: 17 digits have overflowed somebody (threat A6).
    if (++this.#sizeDigits > maxSizeDigits) throw this.#refusal('bad_chunk_size');
    this.#size = this.#size * 16 + digit;
  }

  // `;` name [ `=` ( token | quoted-string ) ], without the white space that RFC 9112 §7.1.1 calls bad. Extensions are
  // checked and dropped: an unchecked one can hide a line end (threat A6, TERM.EXT).
  #stepExtension(byte: number): void {
    if (++this.#extensionBytes > this.#limits.maxExtensionBytes)
      throw this.#refusal('chunk_extensions_too_large');
    const isToken = lowerToken[byte] !== 0;
    switch (this.#state) {
      case extensionNameStart:
      case extensionValueStart:
        if (isToken) this.#state++;
        else if (byte === quote && this.#state === extensionValueStart) this.#state = extensionQuoted;
        else throw this.#refusal(byte === lf ? 'bare_lf' : 'bad_chunk_extension');
        return;
      case extensionQuoted:
        if (byte === quote) this.#state = extensionQuotedEnd;
        else if (byte === backslash) this.#state = extensionQuotedPair;
        else this.#expectText(byte);
        return;
      case extensionQuotedPair:
        this.#expectText(byte);
        this.#state = extensionQuoted;
        return;
      default:
        if (isToken && this.#state !== extensionQuotedEnd) return;
        if (byte === equals && this.#state === extensionName) this.#state = extensionValueStart;
        else if (byte === semicolon) this.#state = extensionNameStart;
        else if (byte === cr) this.#state = sizeLf;
        else throw this.#refusal(byte === lf ? 'bare_lf' : 'bad_chunk_extension');
    }
  }

  #enter(state: number): void {
    this.#extensionBytes++;
    this.#state = state;
  }

  #expectText(byte: number): void {
    if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) {
      throw this.#refusal(byte === lf ? 'bare_lf' : 'bad_chunk_extension');
    }
  }

  #expect(byte: number, expected: number, reason: Http1Reason): void {
    if (byte !== expected) throw this.#refusal(reason);
  }

  #readTrailers(bytes: Buffer, start: number, end: number): number {
    // Nearly every body ends here, with nothing after its last chunk.
    if (
      this.#trailerBytes.length === 0 &&
      end - start >= 2 &&
      bytes[start] === cr &&
      bytes[start + 1] === lf
    ) {
      this.isDone = true;
      return start + 2;
    }
    const before = this.#trailerBytes.length;
    const room = this.#limits.trailers.maxHeadBytes - before;
    this.#trailerBytes = Buffer.concat([
      this.#trailerBytes,
      bytes.subarray(start, Math.min(end, start + room)),
    ]);
    const collected = this.#trailerBytes;
    const section = this.#section;
    const { trailers } = this.#limits;
    if (
      !this.#trailerReader.readTrailers(collected, 0, collected.length, trailers, this.#isResponse, section)
    ) {
      return end;
    }
    this.trailers = this.#keepAllowed(section);
    this.#trailerBytes = noBytes;
    this.isDone = true;
    return start + section.end - before;
  }

  #keepAllowed(section: MessageHead): Buffer {
    const lines: Buffer[] = [];
    for (let index = 0; index < section.fieldCount; index++) {
      if (!this.#mayPass(section.nameOf(index))) continue;
      lines.push(section.bytes.subarray(section.lineStart(index), section.lineEnd(index)));
    }
    return Buffer.concat(lines);
  }

  #refusal(reason: Http1Reason): Http1Error {
    return new Http1Error(reason, this.#isResponse);
  }
}
