import type { ContentEdits } from './content-edits.ts';
import { type LinkMatcher, maxComparedBytes, type PublishedAddress } from './published-links.ts';
import { unescapeScript } from './unescape.ts';

const doubleQuote = 0x22;
const singleQuote = 0x27;
const backtick = 0x60;
const backslash = 0x5c;

/**
 * Finds the strings of JSON or of a script that begin with a published address. What a script is, and what it makes of its
 * strings, nobody looks at: that is why scripts are left alone unless an administrator names addresses.
 */
export class ScriptLinks {
  readonly #matcher: LinkMatcher;
  readonly #mayReplace: ((address: PublishedAddress) => boolean) | null;

  /** @param mayReplace Null for JSON, whose strings stand in double quotes and may lead anywhere. */
  constructor(matcher: LinkMatcher, mayReplace: ((address: PublishedAddress) => boolean) | null) {
    this.#matcher = matcher;
    this.#mayReplace = mayReplace;
  }

  /** As `CssLinks.scan`. */
  scan(bytes: Buffer, start: number, end: number, isLast: boolean, edits: ContentEdits): number {
    const isJson = this.#mayReplace === null;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (byte !== doubleQuote && (isJson || (byte !== singleQuote && byte !== backtick))) continue;
      if (at + 1 === end) return isLast ? end : at;
      if (!mayBeginAddress(bytes[at + 1]!)) continue;
      const stringEnd = endOfString(bytes, at + 1, end, byte, isLast);
      if (stringEnd < 0) return at;
      this.#translate(bytes, at + 1, stringEnd, edits);
      at = stringEnd - 1;
    }
    return end;
  }

  #translate(bytes: Buffer, start: number, end: number, edits: ContentEdits): void {
    const matcher = this.#matcher;
    const source = bytes.toString('latin1', start, end);
    const isEscaped = source.includes('\\');
    const { text, offsets } = isEscaped ? unescapeScript(source) : { text: source, offsets: null };
    if (!matcher.matches(text) || this.#mayReplace?.(matcher.address) === false) return;
    const from = offsets?.[matcher.start] ?? matcher.start;
    const to = offsets?.[matcher.end] ?? matcher.end;
    edits.replace(
      start + from,
      start + to,
      escapeScript(matcher.replacement, source.slice(from, to).includes('\\/')),
    );
  }
}

/** Where the part of a string ends that is compared; -1 while that cannot be said. */
function endOfString(bytes: Buffer, start: number, end: number, quote: number, isLast: boolean): number {
  const limit = Math.min(end, start + maxComparedBytes);
  for (let at = start; at < limit; at++) {
    const byte = bytes[at]!;
    // JSON strings and most of a script's end with their line at the latest.
    if (byte === quote || byte === 0x0a || byte === 0x0d) return at;
    if (byte === backslash) at++;
  }
  return limit === end && !isLast && end - start < maxComparedBytes ? -1 : limit;
}

function mayBeginAddress(byte: number): boolean {
  const lower = byte | 0x20;
  return lower === 0x68 || lower === 0x77 || byte === 0x2f || byte === backslash;
}

function escapeScript(replacement: string, escapesSlashes: boolean): string {
  const safe = replacement.includes("'") ? replacement.replaceAll("'", '%27') : replacement;
  return escapesSlashes ? safe.replaceAll('/', '\\/') : safe;
}
