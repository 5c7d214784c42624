/** Text whose escapes are resolved, and where its characters came from. */
export interface Unescaped {
  readonly text: string;
  /** offsets[i] is where character i began in the source; one more says where the last one ended. */
  readonly offsets: readonly number[];
}

const ampersand = 0x26;
const backslash = 0x5c;

// The references that can stand for a character of a URL's beginning, or for a quote around it (HTML §13.5). Others stay
// as they are: they are no part of what is compared.
const namedReferences: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['AMP', '&'],
  ['lt', '<'],
  ['LT', '<'],
  ['gt', '>'],
  ['GT', '>'],
  ['quot', '"'],
  ['QUOT', '"'],
  ['apos', "'"],
  ['sol', '/'],
  ['bsol', '\\'],
  ['colon', ':'],
  ['semi', ';'],
  ['comma', ','],
  ['period', '.'],
  ['lowbar', '_'],
  ['UnderBar', '_'],
  ['num', '#'],
  ['quest', '?'],
  ['equals', '='],
  ['percnt', '%'],
  ['commat', '@'],
  ['lpar', '('],
  ['rpar', ')'],
  ['lsqb', '['],
  ['lbrack', '['],
  ['rsqb', ']'],
  ['rbrack', ']'],
  ['excl', '!'],
  ['plus', '+'],
  ['dollar', '$'],
  ['ast', '*'],
  ['midast', '*'],
  ['Tab', '\t'],
  ['NewLine', '\n'],
]);
// These end without a semicolon too, unless an attribute goes on with a letter, a digit or `=`.
const legacyReferences = ['amp', 'AMP', 'lt', 'LT', 'gt', 'GT', 'quot', 'QUOT'];

/** Resolves the character references of an attribute's value, one char a byte (HTML §13.2.5.72). */
export function unescapeAttribute(source: string): Unescaped {
  const offsets: number[] = [];
  let text = '';
  let at = 0;
  while (at < source.length) {
    offsets.push(at);
    if (source.charCodeAt(at) !== ampersand) {
      text += source[at++];
      continue;
    }
    const reference = readReference(source, at);
    text += reference?.char ?? '&';
    at = reference?.end ?? at + 1;
  }
  offsets.push(at);
  return { text, offsets };
}

function readReference(source: string, start: number): { char: string; end: number } | null {
  const match = /^&(?:#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,8}));?|([a-zA-Z]{2,8});)/.exec(
    source.slice(start, start + 14),
  );
  if (match === null) return readLegacyReference(source, start);
  const end = start + match[0].length;
  if (match[3] !== undefined) {
    const char = namedReferences.get(match[3]);
    return char === undefined ? readLegacyReference(source, start) : { char, end };
  }
  const code = match[1] === undefined ? Number(match[2]) : Number.parseInt(match[1], 16);
  // What is no ASCII cannot be part of a name that is compared; one char keeps its place.
  return { char: code > 0 && code < 0x80 ? String.fromCharCode(code) : '\u00ff', end };
}

function readLegacyReference(source: string, start: number): { char: string; end: number } | null {
  for (const name of legacyReferences) {
    if (!source.startsWith(name, start + 1)) continue;
    const end = start + 1 + name.length;
    if (/[=a-zA-Z0-9]/.test(source[end] ?? '')) return null;
    return { char: namedReferences.get(name)!, end };
  }
  return null;
}

/** Resolves the escapes of a CSS string or URL (CSS Syntax §4.3.7). */
export function unescapeCss(source: string): Unescaped {
  return unescapeBackslashes(source, (text, start) => {
    const hex = /^[0-9a-fA-F]{1,6}(?:\r\n|[ \t\r\n\f])?/.exec(text.slice(start, start + 8))?.[0];
    if (hex !== undefined) {
      const code = Number.parseInt(hex, 16);
      return {
        char: code > 0 && code < 0x80 ? String.fromCharCode(code) : '\u00ff',
        end: start + hex.length,
      };
    }
    return { char: text[start]!, end: start + 1 };
  });
}

/** Resolves the escapes of a string in JSON or JavaScript, as far as URLs are written with them. */
export function unescapeScript(source: string): Unescaped {
  return unescapeBackslashes(source, (text, start) => {
    const hex = /^(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))/.exec(text.slice(start, start + 5));
    if (hex === null) return { char: text[start]!, end: start + 1 };
    const code = Number.parseInt((hex[1] ?? hex[2])!, 16);
    return {
      char: code > 0 && code < 0x80 ? String.fromCharCode(code) : '\u00ff',
      end: start + hex[0].length,
    };
  });
}

function unescapeBackslashes(
  source: string,
  read: (source: string, start: number) => { readonly char: string; readonly end: number },
): Unescaped {
  const offsets: number[] = [];
  let text = '';
  let at = 0;
  while (at < source.length) {
    offsets.push(at);
    if (source.charCodeAt(at) !== backslash || at + 1 === source.length) {
      text += source[at++];
      continue;
    }
    const { char, end } = read(source, at + 1);
    text += char;
    at = end;
  }
  offsets.push(at);
  return { text, offsets };
}
