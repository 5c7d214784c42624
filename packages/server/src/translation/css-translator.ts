import { type ContentEdits, type ContentTranslator, ContentWindow } from './content-edits.ts';
import { type LinkMatcher, maxComparedBytes, mayBeginLink } from './published-links.ts';
import { unescapeCss } from './unescape.ts';

const maxNameBytes = 64;

const tab = 0x09;
const lf = 0x0a;
const ff = 0x0c;
const cr = 0x0d;
const space = 0x20;
const doubleQuote = 0x22;
const singleQuote = 0x27;
const openParen = 0x28;
const closeParen = 0x29;
const star = 0x2a;
const slash = 0x2f;
const semicolon = 0x3b;
const atSign = 0x40;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;

const text = 0;
const comment = 1;
const string = 2;
const url = 3;
type State = typeof text | typeof comment | typeof string | typeof url;

const isNameByte = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x80 || /[-_a-zA-Z0-9]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

/** Translates a style sheet (CSS Syntax Level 3). */
export class CssTranslator implements ContentTranslator {
  readonly #window = new ContentWindow();
  readonly #links: CssLinks;

  constructor(matcher: LinkMatcher) {
    this.#links = new CssLinks(matcher);
  }

  push(bytes: Buffer): Buffer {
    this.#window.add(bytes);
    const all = this.#window.bytes;
    return this.#window.take(this.#links.scan(all, 0, all.length, false, this.#window));
  }

  end(): Buffer {
    const all = this.#window.bytes;
    this.#links.scan(all, 0, all.length, true, this.#window);
    return this.#window.take(all.length);
  }
}

/**
 * Finds the links of CSS: `url()` and `src()`, the string of `@import`, the strings of `image-set()`. What stands in
 * comments and in other strings is no link.
 */
export class CssLinks {
  readonly #matcher: LinkMatcher;
  #state: State = text;
  /** What ends the string. */
  #quote = 0;
  #isImport = false;
  #depth = 0;
  /** Depth inside of the image-set() that is open; 0 for none. */
  #imageSetDepth = 0;

  constructor(matcher: LinkMatcher) {
    this.#matcher = matcher;
  }

  /** Begins another piece of CSS. */
  reset(): void {
    this.#state = text;
    this.#isImport = false;
    this.#depth = 0;
    this.#imageSetDepth = 0;
  }

  /**
   * Looks at bytes[start, end), which follow what was looked at before.
   *
   * @param isLast Nothing follows.
   * @returns Where it stopped: what stands behind has to come again, with what follows it.
   */
  scan(bytes: Buffer, start: number, end: number, isLast: boolean, edits: ContentEdits): number {
    let at = start;
    while (at < end) {
      const from = at;
      if (this.#state === text) at = this.#scanText(bytes, at, end, isLast, edits);
      else if (this.#state === comment) at = this.#scanComment(bytes, at, end);
      else at = this.#scanValue(bytes, at, end);
      if (at < 0) return isLast ? end : ~at;
      if (at === from) return isLast ? end : at;
    }
    return end;
  }

  // Gives ~place to stop at a place until more has come.
  #scanText(bytes: Buffer, start: number, end: number, isLast: boolean, edits: ContentEdits): number {
    let at = start;
    while (at < end) {
      const byte = bytes[at]!;
      if (isNameByte[byte] === 1) {
        const nameEnd = nameEndFrom(bytes, at, end);
        if (nameEnd === end && !isLast) {
          // A name this long is none of ours, but what goes on with it is not the beginning of one either.
          if (end - at <= maxNameBytes) return ~at;
          return ~(end - maxNameBytes);
        }
        if (bytes[nameEnd] === openParen && nameEnd < end) {
          const next = this.#openFunction(bytes, at, nameEnd, end, isLast, edits);
          if (next < 0 || this.#state !== text) return next;
          at = next;
        } else at = nameEnd;
        continue;
      }
      switch (byte) {
        case slash:
          if (at + 1 === end) return ~at;
          if (bytes[at + 1] === star) {
            this.#state = comment;
            return at + 2;
          }
          at++;
          break;
        case doubleQuote:
        case singleQuote:
          return this.#openString(bytes, at, end, isLast, edits);
        case atSign: {
          const nameEnd = nameEndFrom(bytes, at + 1, end);
          if (nameEnd === end && !isLast && end - at <= maxNameBytes) return ~at;
          if (isName(bytes, at + 1, nameEnd, 'import')) this.#isImport = true;
          at = nameEnd;
          break;
        }
        case backslash:
          if (at + 1 === end) return ~at;
          at += 2;
          break;
        case openParen:
          this.#depth++;
          at++;
          break;
        case closeParen:
          if (this.#depth > 0) this.#depth--;
          if (this.#depth < this.#imageSetDepth) this.#imageSetDepth = 0;
          at++;
          break;
        case semicolon:
        case openBrace:
        case closeBrace:
          this.#isImport = false;
          this.#depth = 0;
          this.#imageSetDepth = 0;
          at++;
          break;
        default:
          at++;
      }
    }
    return at;
  }

  #openFunction(
    bytes: Buffer,
    nameStart: number,
    nameEnd: number,
    end: number,
    isLast: boolean,
    edits: ContentEdits,
  ): number {
    const isUrl = isName(bytes, nameStart, nameEnd, 'url');
    if (!isUrl && !isName(bytes, nameStart, nameEnd, 'src')) {
      this.#depth++;
      const isImageSet =
        isName(bytes, nameStart, nameEnd, 'image-set') ||
        isName(bytes, nameStart, nameEnd, '-webkit-image-set');
      if (isImageSet && this.#imageSetDepth === 0) this.#imageSetDepth = this.#depth;
      return nameEnd + 1;
    }
    let start = nameEnd + 1;
    while (start < end && isSpace(bytes[start]!)) start++;
    if (start === end) {
      // White space may go on for ever; nobody writes more than this.
      if (!isLast && end - nameStart <= maxComparedBytes) return ~nameStart;
      this.#depth++;
      return end;
    }
    const first = bytes[start]!;
    if (first === doubleQuote || first === singleQuote) {
      const valueEnd = this.#valueEnd(bytes, start + 1, end, first, isLast);
      if (valueEnd < 0) return ~nameStart;
      this.#depth++;
      this.#isImport = false;
      this.#translate(bytes, start + 1, valueEnd, edits);
      this.#state = string;
      this.#quote = first;
      return start + 1;
    }
    if (!isUrl) {
      this.#depth++;
      return start;
    }
    const valueEnd = this.#valueEnd(bytes, start, end, closeParen, isLast);
    if (valueEnd < 0) return ~nameStart;
    this.#isImport = false;
    this.#translate(bytes, start, valueEnd, edits);
    this.#state = url;
    return start;
  }

  #openString(bytes: Buffer, at: number, end: number, isLast: boolean, edits: ContentEdits): number {
    const quote = bytes[at]!;
    if (this.#isImport || this.#imageSetDepth > 0) {
      const valueEnd = this.#valueEnd(bytes, at + 1, end, quote, isLast);
      if (valueEnd < 0) return ~at;
      this.#translate(bytes, at + 1, valueEnd, edits);
      this.#isImport = false;
    }
    this.#state = string;
    this.#quote = quote;
    return at + 1;
  }

  /** Where the part of a value ends that is compared; -1 while that cannot be said. */
  #valueEnd(bytes: Buffer, start: number, end: number, terminator: number, isLast: boolean): number {
    if (start < end && !mayBeginLink(bytes[start]!)) return start;
    const limit = Math.min(end, start + maxComparedBytes);
    for (let at = start; at < limit; at++) {
      const byte = bytes[at]!;
      if (byte === terminator || byte === lf || byte === cr || byte === ff) return at;
      if (terminator === closeParen && isSpace(byte)) return at;
      if (byte === backslash) at = escapeEnd(bytes, at, limit) - 1;
    }
    if (limit === end && !isLast && end - start < maxComparedBytes) return -1;
    return limit;
  }

  #translate(bytes: Buffer, start: number, end: number, edits: ContentEdits): void {
    if (start === end || !mayBeginLink(bytes[start]!)) return;
    const matcher = this.#matcher;
    const source = bytes.toString('latin1', start, end);
    if (!source.includes('\\')) {
      if (!matcher.matches(source)) return;
      edits.replace(start + matcher.start, start + matcher.end, escapeCss(matcher.replacement));
      return;
    }
    const { text: value, offsets } = unescapeCss(source);
    if (!matcher.matches(value)) return;
    edits.replace(
      start + offsets[matcher.start]!,
      start + offsets[matcher.end]!,
      escapeCss(matcher.replacement),
    );
  }

  #scanComment(bytes: Buffer, start: number, end: number): number {
    const close = bytes.subarray(start, end).indexOf('*/', 0, 'latin1');
    if (close >= 0) {
      this.#state = text;
      return start + close + 2;
    }
    return bytes[end - 1] === star ? ~(end - 1) : end;
  }

  /** The rest of a string or of an unquoted URL. */
  #scanValue(bytes: Buffer, start: number, end: number): number {
    const isString = this.#state === string;
    const terminator = isString ? this.#quote : closeParen;
    let at = start;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === terminator) {
        this.#state = text;
        return at + 1;
      }
      if (byte === backslash) {
        if (at + 1 === end) return ~at;
        at++;
      } else if (isString && (byte === lf || byte === cr || byte === ff)) {
        // A string does not go over the end of its line (§4.3.5).
        this.#state = text;
        return at + 1;
      }
    }
    return end;
  }
}

/** Where an escape ends, with the white space that ends hexadecimal digits (§4.3.7). */
function escapeEnd(bytes: Buffer, start: number, limit: number): number {
  let at = start + 1;
  while (at < limit && at < start + 7 && isHexDigit(bytes[at]!)) at++;
  if (at === start + 1) return at + 1;
  if (at + 1 < limit && bytes[at] === cr && bytes[at + 1] === lf) return at + 2;
  return at < limit && isSpace(bytes[at]!) ? at + 1 : at;
}

function isHexDigit(byte: number): boolean {
  const lower = byte | 0x20;
  return (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x66);
}

function nameEndFrom(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isNameByte[bytes[at]!] === 1) at++;
  return at;
}

function isName(bytes: Buffer, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let index = 0; index < name.length; index++) {
    const byte = bytes[start + index]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
    if (lower !== name.charCodeAt(index)) return false;
  }
  return true;
}

function isSpace(byte: number): boolean {
  return byte === space || byte === lf || byte === tab || byte === cr || byte === ff;
}

function escapeCss(replacement: string): string {
  return /['"()\\]/.test(replacement) ? replacement.replace(/['"()\\]/g, '\\$&') : replacement;
}
