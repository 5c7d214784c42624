import { type ContentEdits, type ContentTranslator, ContentWindow } from './content-edits.ts';
import { CssLinks } from './css-translator.ts';
import {
  attributes,
  elementId,
  elementName,
  elementRoles,
  elements,
  httpEquivAttribute,
  typeAttribute,
  type ValueKind,
  valueKindOf,
} from './html-names.ts';
import { KnownLeads } from './known-leads.ts';
import {
  type FoundLink,
  findListedLinks,
  findPolicyLinks,
  findRefreshLink,
  findSrcsetLinks,
} from './link-values.ts';
import {
  type LinkMatcher,
  maxComparedBytes,
  mayBeginLink,
  type PublishedAddress,
} from './published-links.ts';
import { ScriptLinks } from './script-links.ts';
import { unescapeAttribute } from './unescape.ts';

export interface HtmlTranslationOptions {
  /** application/xhtml+xml: CDATA sections everywhere, and elements that end in their own tag. */
  readonly isXml: boolean;
  /** Translate the addresses in JSON-LD, too. */
  readonly translatesJsonLd: boolean;
  /** Whether strings of inline scripts that begin with this address are translated. Null: no script is looked at. */
  readonly mayTranslateInScripts: ((address: PublishedAddress) => boolean) | null;
}

/** A tag longer than this goes on as it is; it is also the most that is held. */
const maxTagBytes = 256 * 1024;
/** Of one tag; what follows is left alone. */
const maxAttributes = 256;
/** Of SVG in HTML in SVG; beyond, what is inside is taken for HTML. */
const maxForeignDepth = 64;

const bang = 0x21;
const doubleQuote = 0x22;
const singleQuote = 0x27;
const hyphen = 0x2d;
const slash = 0x2f;
const lessThan = 0x3c;
const equals = 0x3d;
const greaterThan = 0x3e;
const question = 0x3f;

const commentOpen = Buffer.from('<!--', 'latin1');
const cdataOpen = Buffer.from('<![CDATA[', 'latin1');
const commentClose = Buffer.from('-->', 'latin1');
const scriptName = Buffer.from('script', 'latin1');

// What is being read.
const text = 0;
const tag = 1;
const comment = 2;
const bogusComment = 3;
const cdata = 4;
const rawText = 5;
const plainText = 6;
type Mode =
  | typeof text
  | typeof tag
  | typeof comment
  | typeof bogusComment
  | typeof cdata
  | typeof rawText
  | typeof plainText;

// Where in a tag (HTML §13.2.5.8 to §13.2.5.40).
const tagName = 0;
const beforeName = 1;
const attributeName = 2;
const afterName = 3;
const beforeValue = 4;
const doubleQuoted = 5;
const singleQuoted = 6;
const unquoted = 7;
const afterQuoted = 8;
const selfClosing = 9;

const svg = elementId('svg');
const math = elementId('math');
const title = elementId('title');
const style = elementId('style');
const script = elementId('script');
const plaintext = elementId('plaintext');

/**
 * Translates a page: finds its tags the way browsers do (HTML §13.2.5) and replaces the beginnings of links in their
 * attributes, in style sheets and in import maps. Everything else goes on byte by byte, in whatever encoding it is, as long
 * as its markup is ASCII.
 *
 * Works on the bytes as they come. What is held for the next ones is a tag that has not ended, up to 256 KiB of it, or
 * the few bytes that may begin something.
 */
export class HtmlTranslator implements ContentTranslator {
  readonly #matcher: LinkMatcher;
  readonly #options: HtmlTranslationOptions;
  readonly #window = new ContentWindow();
  readonly #css: CssLinks;
  readonly #leads = new KnownLeads();
  #mode: Mode = text;
  #at = 0;
  // The tag that is being read, and in it, counted from its `<`: name and value of each attribute (four numbers each).
  #tagStart = 0;
  #tagState = tagName;
  #isEndTag = false;
  #isSelfClosing = false;
  #isLongTag = false;
  #element = 0;
  #attributeCount = 0;
  readonly #spans = new Int32Array(maxAttributes * 4);
  #spanStart = 0;
  #takesValue = false;
  // The comment that is being read: `--!>` ends it from here on.
  #commentBody = 0;
  // The element whose content is text, and where the part of it is that was not yet looked at for links.
  #rawElement = 0;
  #rawName: Buffer = scriptName;
  #rawContent: Pick<CssLinks, 'scan'> | null = null;
  #contentAt = 0;
  #scriptDepth = 0;
  // SVG, MathML, and HTML inside them: the ids of the elements that are open.
  readonly #foreign: number[] = [];

  constructor(matcher: LinkMatcher, options: HtmlTranslationOptions) {
    this.#matcher = matcher;
    this.#options = options;
    this.#css = new CssLinks(matcher);
  }

  push(bytes: Buffer): Buffer {
    this.#window.add(bytes);
    return this.#run(false);
  }

  end(): Buffer {
    return this.#run(true);
  }

  #run(isLast: boolean): Buffer {
    const { bytes } = this.#window;
    while (this.#at < bytes.length && this.#step(bytes));
    if (isLast) {
      if (this.#mode === rawText) this.#scanContent(bytes, bytes.length, true);
      return this.#window.take(bytes.length);
    }
    const end = this.#heldFrom(bytes.length);
    this.#at -= end;
    this.#tagStart -= end;
    this.#contentAt -= end;
    this.#commentBody -= end;
    return this.#window.take(end);
  }

  #heldFrom(length: number): number {
    if (this.#mode === tag && !this.#isLongTag) {
      if (length - this.#tagStart <= maxTagBytes) return this.#tagStart;
      this.#isLongTag = true;
      this.#attributeCount = 0;
    }
    if (this.#mode === rawText && this.#rawContent !== null) return Math.min(this.#at, this.#contentAt);
    return Math.min(this.#at, length);
  }

  /** False: more bytes are needed. */
  #step(bytes: Buffer): boolean {
    switch (this.#mode) {
      case text:
        return this.#readText(bytes);
      case tag:
        return this.#readTag(bytes);
      case comment:
        return this.#readComment(bytes);
      case bogusComment:
        return this.#readUntil(bytes, greaterThan);
      case cdata:
        return this.#readCdata(bytes);
      case rawText:
        return this.#readRawText(bytes);
      case plainText:
        this.#at = bytes.length;
        return false;
    }
  }

  #readText(bytes: Buffer): boolean {
    const { length } = bytes;
    let at = this.#at;
    while (at < length && bytes[at] !== lessThan) at++;
    this.#at = at;
    if (at + 1 >= length) return false;
    const next = bytes[at + 1]!;
    if (isLetter(next)) this.#beginTag(at, false);
    else if (next === slash) {
      if (at + 2 === length) return false;
      const first = bytes[at + 2]!;
      if (isLetter(first)) this.#beginTag(at, true);
      else if (first === greaterThan) this.#at = at + 3;
      else this.#begin(bogusComment, at + 2);
    } else if (next === bang) return this.#readDeclaration(bytes, at);
    else if (next === question) this.#begin(bogusComment, at + 2);
    else this.#at = at + 1;
    return true;
  }

  #readDeclaration(bytes: Buffer, at: number): boolean {
    const isComment = startsWith(bytes, at, commentOpen);
    if (isComment === null) return false;
    if (isComment) {
      this.#commentBody = at + 4;
      // The hyphens that open it may close it, too: `<!-->`.
      this.#begin(comment, at + 2);
      return true;
    }
    if (this.#options.isXml || this.#isForeign()) {
      const isCdata = startsWith(bytes, at, cdataOpen);
      if (isCdata === null) return false;
      if (isCdata) {
        this.#begin(cdata, at + cdataOpen.length);
        return true;
      }
    }
    this.#begin(bogusComment, at + 2);
    return true;
  }

  #begin(mode: Mode, at: number): void {
    this.#mode = mode;
    this.#at = at;
  }

  #readUntil(bytes: Buffer, terminator: number): boolean {
    const found = bytes.indexOf(terminator, this.#at);
    this.#at = found < 0 ? bytes.length : found + 1;
    if (found < 0) return false;
    this.#mode = text;
    return true;
  }

  #readComment(bytes: Buffer): boolean {
    const { length } = bytes;
    let at = bytes.indexOf('--', this.#at, 'latin1');
    for (; at >= 0; at = bytes.indexOf('--', at + 1, 'latin1')) {
      if (at + 2 >= length) break;
      const next = bytes[at + 2]!;
      if (next === greaterThan) {
        this.#begin(text, at + 3);
        return true;
      }
      if (next !== bang || at < this.#commentBody) continue;
      if (at + 3 >= length) break;
      if (bytes[at + 3] !== greaterThan) continue;
      this.#begin(text, at + 4);
      return true;
    }
    if (at >= 0) this.#at = at;
    else this.#at = bytes[length - 1] === hyphen ? Math.max(this.#at, length - 1) : length;
    return false;
  }

  #readCdata(bytes: Buffer): boolean {
    const found = bytes.indexOf(']]>', this.#at, 'latin1');
    if (found >= 0) {
      this.#begin(text, found + 3);
      return true;
    }
    this.#at = Math.max(this.#at, bytes.length - 2);
    return false;
  }

  #beginTag(start: number, isEndTag: boolean): void {
    this.#begin(tag, start + (isEndTag ? 2 : 1));
    this.#tagStart = start;
    this.#isEndTag = isEndTag;
    this.#tagState = tagName;
    this.#attributeCount = 0;
    this.#isSelfClosing = false;
    this.#isLongTag = false;
  }

  #readTag(bytes: Buffer): boolean {
    const { length } = bytes;
    const start = this.#tagStart;
    let state = this.#tagState;
    let at = this.#at;
    for (; at < length; at++) {
      const byte = bytes[at]!;
      switch (state) {
        case tagName:
          if (!isSpace(byte) && byte !== slash && byte !== greaterThan) continue;
          this.#element = this.#isLongTag ? 0 : elements.find(bytes, start + (this.#isEndTag ? 2 : 1), at);
          state = byte === slash ? selfClosing : beforeName;
          break;
        case selfClosing:
          if (byte === greaterThan) {
            this.#isSelfClosing = true;
            break;
          }
          state = beforeName;
          at--;
          continue;
        case beforeName:
          if (isSpace(byte) || byte === greaterThan) break;
          if (byte === slash) {
            state = selfClosing;
            continue;
          }
          this.#spanStart = at - start;
          state = attributeName;
          // An equals sign is part of the name where the name begins.
          if (byte === equals) continue;
          at--;
          continue;
        case attributeName:
          if (byte !== equals && byte !== slash && byte !== greaterThan && !isSpace(byte)) continue;
          this.#addName(at - start);
          if (byte === equals) {
            state = beforeValue;
            continue;
          }
          state = afterName;
          at--;
          continue;
        case afterName:
          if (isSpace(byte) || byte === greaterThan) break;
          if (byte === equals) state = beforeValue;
          else if (byte === slash) state = selfClosing;
          else {
            state = beforeName;
            at--;
          }
          continue;
        case beforeValue:
          if (isSpace(byte) || byte === greaterThan) break;
          this.#spanStart = at + 1 - start;
          if (byte === doubleQuote) state = doubleQuoted;
          else if (byte === singleQuote) state = singleQuoted;
          else {
            this.#spanStart = at - start;
            state = unquoted;
          }
          continue;
        case doubleQuoted:
        case singleQuoted:
          if (byte !== (state === doubleQuoted ? doubleQuote : singleQuote)) continue;
          this.#addValue(at - start);
          state = afterQuoted;
          continue;
        case unquoted:
          if (!isSpace(byte) && byte !== greaterThan) continue;
          this.#addValue(at - start);
          state = beforeName;
          break;
        case afterQuoted:
          state = byte === slash ? selfClosing : beforeName;
          if (byte === slash || isSpace(byte)) continue;
          if (byte === greaterThan) break;
          at--;
          continue;
      }
      if (byte !== greaterThan) continue;
      this.#begin(text, at + 1);
      this.#finishTag(bytes);
      return true;
    }
    this.#tagState = state;
    this.#at = at;
    return false;
  }

  #addName(end: number): void {
    this.#takesValue = !this.#isLongTag && this.#attributeCount < maxAttributes;
    if (!this.#takesValue) return;
    const at = this.#attributeCount++ * 4;
    const spans = this.#spans;
    spans[at] = this.#spanStart;
    spans[at + 1] = end;
    spans[at + 2] = 0;
    spans[at + 3] = 0;
  }

  #addValue(end: number): void {
    if (!this.#takesValue || this.#isLongTag) return;
    const at = (this.#attributeCount - 1) * 4;
    this.#spans[at + 2] = this.#spanStart;
    this.#spans[at + 3] = end;
  }

  #finishTag(bytes: Buffer): void {
    const element = this.#element;
    if (this.#isEndTag) {
      if (this.#foreign.length > 0) this.#closeForeign(element);
      return;
    }
    if (this.#attributeCount > 0) this.#translateAttributes(bytes, element);
    if (element === 0) return;
    this.#openElement(bytes, element);
  }

  #openElement(bytes: Buffer, element: number): void {
    const role = elementRoles[element]!;
    if (this.#foreign.length > 0 && role.isBreakout && this.#isForeign()) this.#breakOut();
    const isForeign = this.#isForeign();
    const isClosed = this.#isSelfClosing && (isForeign || this.#options.isXml);
    if (element === svg || element === math) {
      if (!this.#isSelfClosing) this.#pushForeign(element);
      return;
    }
    if (isClosed) return;
    if (isForeign) {
      if (role.isIntegrationPoint || element === title) this.#pushForeign(element);
      // Style sheets of SVG are CSS like all others.
      if (element !== style) return;
    } else if (!role.isText) return;
    if (element === plaintext) this.#mode = plainText;
    else this.#beginRawText(bytes, element);
  }

  #beginRawText(bytes: Buffer, element: number): void {
    this.#mode = rawText;
    this.#rawElement = element;
    this.#rawName = elementName(element);
    this.#contentAt = this.#at;
    this.#scriptDepth = 0;
    this.#rawContent = null;
    if (element === style) {
      this.#css.reset();
      this.#rawContent = this.#css;
    } else if (element === script) this.#rawContent = this.#scriptContent(bytes);
  }

  #scriptContent(bytes: Buffer): ScriptLinks | null {
    const type = this.#valueOf(bytes, typeAttribute).trim().toLowerCase();
    const { translatesJsonLd, mayTranslateInScripts } = this.#options;
    if (type === 'importmap' || type === 'speculationrules') return new ScriptLinks(this.#matcher, null);
    if (type === 'application/ld+json') {
      return translatesJsonLd ? new ScriptLinks(this.#matcher, null) : null;
    }
    return mayTranslateInScripts === null ? null : new ScriptLinks(this.#matcher, mayTranslateInScripts);
  }

  #readRawText(bytes: Buffer): boolean {
    const end = this.#findRawEnd(bytes);
    const isFound = end >= 0;
    this.#scanContent(bytes, isFound ? end : this.#at, isFound);
    if (isFound) this.#begin(text, end);
    return isFound;
  }

  #scanContent(bytes: Buffer, end: number, isComplete: boolean): void {
    if (this.#rawContent === null) return;
    this.#contentAt = this.#rawContent.scan(bytes, this.#contentAt, end, isComplete, this.#window);
  }

  /** Where the end tag begins; -1 if it is not here, with `#at` where the search goes on. */
  #findRawEnd(bytes: Buffer): number {
    if (this.#rawElement === script) return this.#findScriptEnd(bytes);
    const from = this.#at;
    for (let at = bytes.indexOf('</', from, 'latin1'); at >= 0; at = bytes.indexOf('</', at + 2, 'latin1')) {
      const isEnd = endsName(bytes, at + 2, this.#rawName);
      if (isEnd) return at;
      if (isEnd === null) {
        this.#at = at;
        return -1;
      }
    }
    const { length } = bytes;
    this.#at = bytes[length - 1] === lessThan ? length - 1 : length;
    return -1;
  }

  // Scripts may hide in comments, and in there be nested (HTML §13.2.5.15 to §13.2.5.31).
  #findScriptEnd(bytes: Buffer): number {
    const { length } = bytes;
    let at = this.#at;
    while (at < length) {
      if (this.#scriptDepth === 0) {
        at = bytes.indexOf(lessThan, at);
        if (at < 0) at = length;
      } else while (at < length && bytes[at] !== lessThan && bytes[at] !== hyphen) at++;
      this.#at = at;
      if (at === length) return -1;
      if (bytes[at] === hyphen) {
        const isEnd = startsWith(bytes, at, commentClose);
        if (isEnd === null) return -1;
        if (isEnd) this.#scriptDepth = 0;
        at += isEnd ? 3 : 1;
        continue;
      }
      if (at + 1 === length) return -1;
      if (bytes[at + 1] === slash) {
        const isEnd = endsName(bytes, at + 2, scriptName);
        if (isEnd === null) return -1;
        if (isEnd && this.#scriptDepth < 2) return at;
        if (isEnd) this.#scriptDepth = 1;
        at += 2;
      } else if (this.#scriptDepth === 0) {
        const isComment = startsWith(bytes, at, commentOpen);
        if (isComment === null) return -1;
        if (isComment) this.#scriptDepth = 1;
        // Its hyphens may be the first of those that end it.
        at += isComment ? 2 : 1;
      } else if (this.#scriptDepth === 1) {
        const isScript = endsName(bytes, at + 1, scriptName);
        if (isScript === null) return -1;
        if (isScript) this.#scriptDepth = 2;
        at += 1;
      } else at += 1;
    }
    this.#at = at;
    return -1;
  }

  #isForeign(): boolean {
    const { length } = this.#foreign;
    if (length === 0) return false;
    const inner = this.#foreign[length - 1]!;
    return inner === svg || inner === math;
  }

  #pushForeign(element: number): void {
    if (this.#foreign.length < maxForeignDepth) this.#foreign.push(element);
  }

  #closeForeign(element: number): void {
    const open = this.#foreign.lastIndexOf(element);
    if (element !== 0 && open >= 0) this.#foreign.length = open;
  }

  #breakOut(): void {
    const foreign = this.#foreign;
    while (foreign.length > 0 && this.#isForeign()) foreign.pop();
  }

  #translateAttributes(bytes: Buffer, element: number): void {
    const spans = this.#spans;
    const start = this.#tagStart;
    let seen = 0;
    for (let at = 0; at < this.#attributeCount * 4; at += 4) {
      const attribute = attributes.find(bytes, start + spans[at]!, start + spans[at + 1]!);
      if (attribute === 0) continue;
      // Of attributes with the same name only the first counts.
      const bit = 1 << attribute;
      if ((seen & bit) !== 0) continue;
      seen |= bit;
      const kind = valueKindOf(attribute, element);
      const from = start + spans[at + 2]!;
      const to = start + spans[at + 3]!;
      if (kind === null || from === to || spans[at + 3] === 0) continue;
      if (kind === 'url') this.#translateUrl(bytes, from, to);
      else this.#translateValue(bytes, kind, from, to);
    }
  }

  #translateUrl(bytes: Buffer, start: number, end: number): void {
    if (!mayBeginLink(bytes[start]!)) return;
    // Most links are these, and nearly all applications have the same paths inside and outside.
    if (bytes[start] === slash && !this.#matcher.mapsPaths && isPlain(bytes[start + 1]!)) return;
    const known = this.#leads.find(bytes, start, end);
    if (known !== null) {
      if (known.replacement !== null) {
        this.#window.replaceWith(start, start + known.bytes.length, known.replacement);
      }
      return;
    }
    let value = bytes.toString('latin1', start, Math.min(end, start + maxComparedBytes));
    const reference = value.indexOf('&');
    if (reference >= 0) {
      // References are mostly those between the parameters of a query, which is not compared.
      const pathEnd = value.search(/[?#]/);
      if (pathEnd < 0 || pathEnd > reference) return this.#translateEscaped('url', value, start);
      value = value.slice(0, pathEnd + 1);
    }
    const matcher = this.#matcher;
    const isMatch = matcher.matches(value);
    const replacement = isMatch ? escapeAttribute(matcher.replacement) : null;
    if (replacement !== null) this.#window.replace(start + matcher.start, start + matcher.end, replacement);
    if (matcher.leadEnd > 0) this.#leads.add(bytes, start, start + matcher.leadEnd, replacement);
  }

  #translateValue(bytes: Buffer, kind: ValueKind, start: number, end: number): void {
    const value = bytes.toString('latin1', start, end);
    if (value.includes('&')) return this.#translateEscaped(kind, value, start, this.#metaKind(bytes));
    if (kind === 'css') {
      this.#css.reset();
      this.#css.scan(bytes, start, end, true, this.#window);
      return;
    }
    this.#findLinks(kind, value, this.#metaKind(bytes), (from, to, replacement) => {
      this.#window.replace(start + from, start + to, escapeAttribute(replacement));
    });
  }

  #translateEscaped(kind: ValueKind, source: string, start: number, metaKind = ''): void {
    const { text: value, offsets } = unescapeAttribute(source);
    const found: FoundLink = (from, to, replacement) => {
      this.#window.replace(start + offsets[from]!, start + offsets[to]!, escapeAttribute(replacement));
    };
    if (kind !== 'css') return this.#findLinks(kind, value, metaKind, found);
    const edits: ContentEdits = { replace: found };
    this.#css.reset();
    this.#css.scan(Buffer.from(value, 'latin1'), 0, value.length, true, edits);
  }

  #findLinks(kind: ValueKind, value: string, metaKind: string, found: FoundLink): void {
    const matcher = this.#matcher;
    if (kind === 'srcset') return findSrcsetLinks(value, matcher, found);
    if (kind === 'list') return findListedLinks(value, matcher, found);
    if (kind === 'meta' && metaKind === 'refresh') return findRefreshLink(value, matcher, found);
    if (kind === 'meta' && metaKind === 'content-security-policy') {
      return findPolicyLinks(value, matcher, found);
    }
    if (matcher.matches(value)) found(matcher.start, matcher.end, matcher.replacement);
  }

  /** What a `meta` element says it is. */
  #metaKind(bytes: Buffer): string {
    return this.#valueOf(bytes, httpEquivAttribute).trim().toLowerCase();
  }

  /** The value of an attribute of the tag that was read; empty without it. */
  #valueOf(bytes: Buffer, attribute: number): string {
    const spans = this.#spans;
    const start = this.#tagStart;
    for (let at = 0; at < this.#attributeCount * 4; at += 4) {
      if (attributes.find(bytes, start + spans[at]!, start + spans[at + 1]!) !== attribute) continue;
      const value = bytes.toString('latin1', start + spans[at + 2]!, start + spans[at + 3]!);
      return value.includes('&') ? unescapeAttribute(value).text : value;
    }
    return '';
  }
}

/** Whether bytes[start…] begins with `prefix`; null while that cannot be said. */
function startsWith(bytes: Buffer, start: number, prefix: Buffer): boolean | null {
  for (let index = 0; index < prefix.length; index++) {
    if (start + index === bytes.length) return null;
    if (bytes[start + index] !== prefix[index]) return false;
  }
  return true;
}

/** Whether bytes[start…] is this name, in any case, and then its end; null while that cannot be said. */
function endsName(bytes: Buffer, start: number, name: Buffer): boolean | null {
  for (let index = 0; index < name.length; index++) {
    if (start + index >= bytes.length) return null;
    if (lowerCase(bytes[start + index]!) !== name[index]) return false;
  }
  const end = start + name.length;
  if (end >= bytes.length) return null;
  return isSpace(bytes[end]!) || bytes[end] === slash || bytes[end] === greaterThan;
}

function isPlain(byte: number): boolean {
  return isLetter(byte) || byte === 0x2e || byte === 0x5f || byte === doubleQuote || byte === singleQuote;
}

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x09 || byte === 0x0d || byte === 0x0c;
}

function escapeAttribute(replacement: string): string {
  if (!/[&'"]/.test(replacement)) return replacement;
  return replacement.replaceAll('&', '&amp;').replaceAll("'", '&#39;').replaceAll('"', '&quot;');
}
