import type { LinkMatcher } from './published-links.ts';

/** Called for each link of a value with what becomes of text[start, end); in order. */
export type FoundLink = (start: number, end: number, replacement: string) => void;

const tab = 0x09;
const lf = 0x0a;
const ff = 0x0c;
const cr = 0x0d;
const space = 0x20;
const comma = 0x2c;
const semicolon = 0x3b;

/** A list of image candidates, as `srcset` and `imagesrcset` have it (HTML §4.8.4.2). */
export function findSrcsetLinks(text: string, matcher: LinkMatcher, found: FoundLink): void {
  let at = 0;
  while (at < text.length) {
    while (isSpace(text.charCodeAt(at)) || text.charCodeAt(at) === comma) at++;
    const start = at;
    while (at < text.length && !isSpace(text.charCodeAt(at))) at++;
    let end = at;
    while (end > start && text.charCodeAt(end - 1) === comma) end--;
    match(text, start, end, matcher, found);
    // A comma right behind the URL ends the candidate; else its descriptors do, whose parentheses may hold commas.
    if (end === at) at = endOfDescriptors(text, at);
  }
}

function endOfDescriptors(text: string, start: number): number {
  let at = start;
  let isInParens = false;
  for (; at < text.length; at++) {
    const char = text[at];
    if (char === '(') isInParens = true;
    else if (char === ')') isInParens = false;
    else if (char === ',' && !isInParens) break;
  }
  return at;
}

/** URLs with white space between them, as `ping` and `archive` have them. */
export function findListedLinks(text: string, matcher: LinkMatcher, found: FoundLink): void {
  let at = 0;
  while (at < text.length) {
    while (isSpace(text.charCodeAt(at))) at++;
    const start = at;
    while (at < text.length && !isSpace(text.charCodeAt(at))) at++;
    match(text, start, at, matcher, found);
  }
}

/** The link of a Refresh field or of `<meta http-equiv=refresh>` (HTML §4.2.5.3). */
export function findRefreshLink(text: string, matcher: LinkMatcher, found: FoundLink): void {
  let at = skipSpaces(text, 0);
  const digits = at;
  while (isDigitOrDot(text.charCodeAt(at))) at++;
  if (at === digits) return;
  at = skipSpaces(text, at);
  if (text.charCodeAt(at) === semicolon || text.charCodeAt(at) === comma) at = skipSpaces(text, at + 1);
  if (text.slice(at, at + 3).toLowerCase() === 'url') {
    const equals = skipSpaces(text, at + 3);
    if (text[equals] === '=') at = skipSpaces(text, equals + 1);
  }
  const quote = text[at];
  if (quote !== '"' && quote !== "'") return match(text, at, text.length, matcher, found);
  const close = text.indexOf(quote, at + 1);
  match(text, at + 1, close < 0 ? text.length : close, matcher, found);
}

/** The targets of a Link field (RFC 8288 §3). */
export function findLinkFieldLinks(text: string, matcher: LinkMatcher, found: FoundLink): void {
  let at = text.indexOf('<');
  while (at >= 0) {
    const close = text.indexOf('>', at + 1);
    if (close < 0) return;
    match(text, at + 1, close, matcher, found);
    at = nextTarget(text, close + 1);
  }
}

// A parameter's quoted string may hold anything.
function nextTarget(text: string, start: number): number {
  let isQuoted = false;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (isQuoted && char === '\\') at++;
    else if (char === '"') isQuoted = !isQuoted;
    else if (char === '<' && !isQuoted) return at;
  }
  return -1;
}

/** The sources of a content security policy: URLs, and hosts without a scheme (CSP Level 3 §2.3.1). */
export function findPolicyLinks(text: string, matcher: LinkMatcher, found: FoundLink): void {
  let at = 0;
  let isName = true;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === semicolon || code === comma) {
      isName = true;
      at++;
      continue;
    }
    if (isSpace(code)) {
      at++;
      continue;
    }
    const start = at;
    while (at < text.length && !isPolicyDelimiter(text.charCodeAt(at))) at++;
    if (isName) isName = false;
    else matchSource(text.slice(start, at), start, matcher, found);
  }
}

function matchSource(source: string, start: number, matcher: LinkMatcher, found: FoundLink): void {
  // 'self', 'nonce-…', data:, *
  if (source.startsWith("'") || source.endsWith(':') || source === '*') return;
  const scheme = source.indexOf('://');
  const hasPath = source.indexOf('/', scheme < 0 ? 0 : scheme + 3) >= 0;
  if (!hasPath) return matchOrigin(source, scheme, start, matcher, found);
  if (scheme >= 0 || source.startsWith('/'))
    return match(source, 0, source.length, matcher, shifted(found, start));
  if (!matcher.matches(`//${source}`)) return;
  found(start, start + matcher.end - 2, matcher.replacement.replace(/^(?:https?:)?\/\//, ''));
}

function matchOrigin(
  source: string,
  scheme: number,
  start: number,
  matcher: LinkMatcher,
  found: FoundLink,
): void {
  const isSocket = /^wss?:/i.test(source);
  let origin = source;
  if (isSocket) origin = `http${source.slice(2)}`;
  else if (scheme < 0) origin = `${matcher.ownScheme}//${source}`;
  if (!matcher.matchesOrigin(origin)) return;
  let outside = matcher.replacement;
  const authority = outside.slice(outside.indexOf('//'));
  if (isSocket) outside = `wss:${authority}`;
  else if (scheme < 0) outside = authority.slice(2);
  found(start, start + source.length, outside);
}

function shifted(found: FoundLink, by: number): FoundLink {
  return (start, end, replacement) => found(start + by, end + by, replacement);
}

function isPolicyDelimiter(code: number): boolean {
  return code === semicolon || code === comma || isSpace(code);
}

function match(text: string, start: number, end: number, matcher: LinkMatcher, found: FoundLink): void {
  if (start === end || !matcher.matches(text.slice(start, end))) return;
  found(start + matcher.start, start + matcher.end, matcher.replacement);
}

function skipSpaces(text: string, start: number): number {
  let at = start;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isDigitOrDot(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2e;
}

function isSpace(code: number): boolean {
  return code === space || code === lf || code === tab || code === cr || code === ff;
}
