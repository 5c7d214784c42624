import { domainToASCII } from 'node:url';

/** Where an application is inside and outside. Origins are without default ports; paths begin and end with `/`. */
export interface PublishedAddress {
  readonly internalOrigin: string;
  readonly internalPath: string;
  readonly externalOrigin: string;
  readonly externalPath: string;
}

/** So much of a link is compared and held back at most; addresses are shorter. */
export const maxComparedBytes = 4096;

const slash = 0x2f;
const backslash = 0x5c;
const question = 0x3f;
const hash = 0x23;
const at = 0x40;

/**
 * Every published address, by what it is inside and by what it is outside. Every route table has one, which is filled when
 * it is first asked and never changed afterwards.
 */
export class PublishedLinks {
  #source: Iterable<PublishedAddress> | null;
  readonly #inside = new Map<string, OriginAddresses>();
  readonly #outside = new Map<string, OriginAddresses>();
  #hasWildcards = false;

  /** @param source The hosts of a wildcard application begin with `*.` on both sides. */
  constructor(source: Iterable<PublishedAddress>) {
    this.#source = source;
  }

  /**
   * The address that covers text[pathStart…] at an internal origin: the longest published path, or null.
   *
   * @param own Preferred where several applications publish the same internal URL.
   */
  findInside(
    origin: string,
    text: string,
    pathStart: number,
    own: PublishedAddress,
  ): PublishedAddress | null {
    this.#fill();
    const addresses = this.#inside.get(origin);
    const found = addresses === undefined ? null : longest(addresses, text, pathStart);
    if (found !== null) return isSameInside(found, own) ? own : found;
    if (own.internalOrigin === origin && coversPath(text, pathStart, own.internalPath)) return own;
    return addresses === undefined && this.#hasWildcards ? this.#findWildcard(origin, text, pathStart) : null;
  }

  /** Whether all paths at an internal origin lead to the same: it is published as a whole, or not at all. */
  hasOnePathAt(origin: string): boolean {
    this.#fill();
    const addresses = this.#inside.get(origin);
    return addresses === undefined ? !this.#hasWildcards : addresses.depth === 0;
  }

  /** Any address at an internal origin, whatever its path. */
  findInsideOrigin(origin: string, own: PublishedAddress): PublishedAddress | null {
    if (origin === own.internalOrigin) return own;
    this.#fill();
    const addresses = this.#inside.get(origin);
    if (addresses !== undefined) return anyOf(addresses);
    return this.#hasWildcards ? this.#findWildcard(origin, '/', 0) : null;
  }

  /** The address that covers text[pathStart…] at an external origin, or null. */
  findOutside(
    origin: string,
    text: string,
    pathStart: number,
    own: PublishedAddress,
  ): PublishedAddress | null {
    if (origin === own.externalOrigin && coversPath(text, pathStart, own.externalPath)) return own;
    this.#fill();
    const addresses = this.#outside.get(origin);
    return addresses === undefined ? null : longest(addresses, text, pathStart);
  }

  /** Any address at an external origin, whatever its path. */
  findOutsideOrigin(origin: string, own: PublishedAddress): PublishedAddress | null {
    if (origin === own.externalOrigin) return own;
    this.#fill();
    const addresses = this.#outside.get(origin);
    return addresses === undefined ? null : anyOf(addresses);
  }

  #fill(): void {
    if (this.#source === null) return;
    for (const address of this.#source) {
      insert(this.#inside, address.internalOrigin, address.internalPath, address);
      insert(this.#outside, address.externalOrigin, address.externalPath, address);
      if (address.internalOrigin.includes('//*.')) this.#hasWildcards = true;
    }
    this.#source = null;
  }

  // Only for names that no application publishes as they are; the longer wildcard wins.
  #findWildcard(origin: string, text: string, pathStart: number): PublishedAddress | null {
    const hostStart = origin.indexOf('//') + 2;
    for (let dot = origin.indexOf('.', hostStart); dot >= 0; dot = origin.indexOf('.', dot + 1)) {
      const addresses = this.#inside.get(`${origin.slice(0, hostStart)}*${origin.slice(dot)}`);
      const found = addresses === undefined ? null : longest(addresses, text, pathStart);
      if (found === null) continue;
      const labels = origin.slice(hostStart, dot);
      return {
        internalOrigin: origin,
        internalPath: found.internalPath,
        externalOrigin: found.externalOrigin.replace('*', labels),
        externalPath: found.externalPath,
      };
    }
    return null;
  }
}

/** Nothing is published but an application's own address. */
export const noLinks = new PublishedLinks([]);

/**
 * Finds out whether a link of one application's pages leads to a published internal address, and what its beginning
 * becomes outside. Links to anything else stay as they are.
 *
 * One object serves many links: a match is in `start`, `end` and `replacement` until the next one.
 */
export class LinkMatcher {
  /** text[start, end) of the last match is to be replaced. */
  start = 0;
  end = 0;
  replacement = '';
  /**
   * After `matches`: what text[0, leadEnd) is, scheme and authority, has decided alone, whatever the path. 0 where the
   * path matters, too.
   */
  leadEnd = 0;
  /** What the last match leads to. */
  address: PublishedAddress;
  /** Links that begin with one slash may match, too: the application's path is not the same inside and outside. */
  readonly mapsPaths: boolean;
  /** Of the application inside, with its colon: what a link without a scheme has. */
  readonly ownScheme: string;
  readonly #links: PublishedLinks;
  readonly #own: PublishedAddress;

  constructor(links: PublishedLinks, own: PublishedAddress) {
    this.#links = links;
    this.#own = own;
    this.address = own;
    this.mapsPaths = own.internalPath !== '/' || own.externalPath !== '/';
    this.ownScheme = own.internalOrigin.slice(0, own.internalOrigin.indexOf(':') + 1);
  }

  /**
   * @param text A URL reference as an attribute or a field gives it: escapes resolved, one char a byte. It may be cut off
   *   behind the part that is compared.
   */
  matches(text: string): boolean {
    this.leadEnd = 0;
    let from = 0;
    // Browsers drop white space and control characters in front of a URL.
    while (text.charCodeAt(from) <= 0x20) from++;
    const first = text.charCodeAt(from);
    if (isSlash(first)) {
      if (isSlash(text.charCodeAt(from + 1))) return this.#matchAuthority(text, from, '', from + 2);
      return this.#matchPath(text, from);
    }
    const colon = schemeEnd(text, from);
    if (colon < 0 || !isSlash(text.charCodeAt(colon + 1)) || !isSlash(text.charCodeAt(colon + 2)))
      return false;
    return this.#matchAuthority(text, from, text.slice(from, colon + 1).toLowerCase(), colon + 3);
  }

  /** As `matches`, for what stands without a path and means an origin, as in Access-Control-Allow-Origin. */
  matchesOrigin(text: string): boolean {
    const origin = originOf(text);
    if (origin === null) return false;
    const found =
      this.#links.findInsideOrigin(origin, this.#own) ?? (this.#isOwnOutside(origin) ? this.#own : null);
    if (found === null) return false;
    return this.#found(found, 0, text.length, found.externalOrigin);
  }

  /**
   * As `matches`, for a link that must not leave for an address that nobody outside can reach: one to the application's
   * own origin matches whatever its path.
   */
  matchesOwnOrigin(text: string): boolean {
    let from = 0;
    while (text.charCodeAt(from) <= 0x20) from++;
    const isRelative = isSlash(text.charCodeAt(from));
    const colon = isRelative ? from - 1 : schemeEnd(text, from);
    if (!isRelative && colon < 0) return false;
    if (!isSlash(text.charCodeAt(colon + 1)) || !isSlash(text.charCodeAt(colon + 2))) return false;
    const end = authorityEnd(text, colon + 3);
    if (end < 0) return false;
    const scheme = isRelative ? this.ownScheme : text.slice(from, colon + 1).toLowerCase();
    if (originFrom(scheme, text.slice(colon + 3, end)) !== this.#own.internalOrigin) return false;
    return this.#found(this.#own, from, end, this.#own.externalOrigin);
  }

  /** @param scheme With its colon, in lower case; empty for a link that takes the page's. */
  #matchAuthority(text: string, from: number, scheme: string, authorityStart: number): boolean {
    const end = authorityEnd(text, authorityStart);
    if (end < 0) return false;
    const isSocket = scheme === 'ws:' || scheme === 'wss:';
    let plainScheme = scheme === '' ? this.ownScheme : scheme;
    if (isSocket) plainScheme = scheme === 'ws:' ? 'http:' : 'https:';
    const origin = originFrom(plainScheme, text.slice(authorityStart, end));
    const found = this.#links.findInside(origin, text, end, this.#own);
    const isByOrigin = from === 0 && this.#links.hasOnePathAt(origin);
    if (found === null) {
      if (this.#isOwnOutside(origin)) return this.#matchOwnOutside(text, from, end, scheme);
      if (isByOrigin) this.leadEnd = end;
      return false;
    }
    let outside = found.externalOrigin;
    if (scheme === '') outside = outside.slice(outside.indexOf('//'));
    else if (isSocket) outside = `wss:${outside.slice(outside.indexOf('//'))}`;
    if (found.internalPath !== found.externalPath) {
      return this.#found(found, from, pathEnd(text, end, found), outside + pathOf(text, end, found));
    }
    if (isByOrigin) this.leadEnd = end;
    return this.#found(found, from, end, outside);
  }

  // A backend that knows the outer name, but not that TLS ends before it or that the port is another one.
  #isOwnOutside(origin: string): boolean {
    const { externalOrigin } = this.#own;
    if (origin === externalOrigin || !externalOrigin.startsWith('https:')) return false;
    const authority = externalOrigin.slice('https://'.length);
    if (origin === `http://${authority}`) return true;
    const port = authority.lastIndexOf(':');
    if (port < 0 || authority.endsWith(']')) return false;
    const host = authority.slice(0, port);
    return origin === `http://${host}` || origin === `https://${host}`;
  }

  #matchOwnOutside(text: string, from: number, end: number, scheme: string): boolean {
    const own = this.#own;
    let outside = own.externalOrigin;
    if (scheme === '') outside = outside.slice(outside.indexOf('//'));
    else if (scheme.startsWith('ws')) outside = `wss:${outside.slice(outside.indexOf('//'))}`;
    const movesPath = own.internalPath !== own.externalPath && own.internalPath !== '/';
    if (!movesPath || !coversPath(text, end, own.internalPath)) return this.#found(own, from, end, outside);
    return this.#found(own, from, pathEnd(text, end, own), outside + pathOf(text, end, own));
  }

  #matchPath(text: string, from: number): boolean {
    if (!this.mapsPaths) return false;
    const own = this.#own;
    // It may be another application of the same backend.
    const found = this.#links.findInside(own.internalOrigin, text, from, own);
    if (found === null) return false;
    const outside = found.externalOrigin === own.externalOrigin ? '' : found.externalOrigin;
    if (outside === '' && found.internalPath === found.externalPath) return false;
    return this.#found(found, from, pathEnd(text, from, found), outside + pathOf(text, from, found));
  }

  #found(address: PublishedAddress, start: number, end: number, replacement: string): true {
    this.address = address;
    this.start = start;
    this.end = end;
    this.replacement = replacement;
    return true;
  }
}

/**
 * Whether a value that begins with this byte may be a link to translate. Most are told by it to be none: fragments,
 * relative paths, data: URLs.
 */
export function mayBeginLink(byte: number): boolean {
  switch (byte) {
    case 0x48: // http, ws
    case 0x68:
    case 0x57:
    case 0x77:
    case slash:
    case backslash:
    case 0x26: // &
      return true;
    default:
      return byte <= 0x20;
  }
}

/**
 * An address of the client's as the backend knows it: what is published outside under this address becomes the internal
 * one; anything else stays.
 *
 * @param text An absolute URL, as in Referer or the Destination of WebDAV, or an origin.
 */
export function translateInwards(text: string, links: PublishedLinks, own: PublishedAddress): string {
  const start = text.indexOf('://');
  if (start < 0) return text;
  const end = authorityEnd(text, start + 3);
  if (end < 0) return text;
  const origin = originFrom(text.slice(0, start + 1).toLowerCase(), text.slice(start + 3, end));
  if (end === text.length) return links.findOutsideOrigin(origin, own)?.internalOrigin ?? text;
  const found = links.findOutside(origin, text, end, own);
  if (found === null) return text;
  const path = text.slice(end);
  if (found.internalPath === found.externalPath) return found.internalOrigin + path;
  // `/app` names what is published as `/app/`.
  if (!path.startsWith(found.externalPath)) {
    return found.internalOrigin + found.internalPath + path.slice(found.externalPath.length - 1);
  }
  return found.internalOrigin + found.internalPath + path.slice(found.externalPath.length);
}

/** Whether text[start…] is a path at or below `path`, which ends in `/`. No path at all is `/`. */
function coversPath(text: string, start: number, path: string): boolean {
  if (path === '/' || text.startsWith(path, start)) return true;
  const end = start + path.length - 1;
  return text.startsWith(path.slice(0, -1), start) && isPathEnd(text, end);
}

function isPathEnd(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  return index >= text.length || code === question || code === hash || code <= 0x20;
}

/** What the covered path's beginning becomes, up to {@link pathEnd}. */
function pathOf(text: string, start: number, { internalPath, externalPath }: PublishedAddress): string {
  if (text.startsWith(internalPath, start)) return externalPath;
  // No slash: `http://host` or `http://host/app`.
  return internalPath === '/' || externalPath === '/' ? externalPath : externalPath.slice(0, -1);
}

function pathEnd(text: string, start: number, { internalPath }: PublishedAddress): number {
  return text.startsWith(internalPath, start) ? start + internalPath.length : start + internalPath.length - 1;
}

/** Where the scheme's colon is, of a scheme that can be published; -1 otherwise. */
function schemeEnd(text: string, from: number): number {
  const colon = text.indexOf(':', from);
  const length = colon - from;
  if (length < 2 || length > 5) return -1;
  const scheme = text.slice(from, colon).toLowerCase();
  return scheme === 'http' || scheme === 'https' || scheme === 'ws' || scheme === 'wss' ? colon : -1;
}

/** Where the authority ends that begins at `start`; -1 for none, or one with a user name, which goes nowhere else. */
function authorityEnd(text: string, start: number): number {
  let end = start;
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === slash || code === backslash || code === question || code === hash || code <= 0x20) break;
    if (code === at) return -1;
  }
  return end === start ? -1 : end;
}

function originOf(text: string): string | null {
  const start = text.indexOf('://');
  if (start < 0) return null;
  const end = authorityEnd(text, start + 3);
  return end === text.length
    ? originFrom(text.slice(0, start + 1).toLowerCase(), text.slice(start + 3))
    : null;
}

/** The origin as `URL` would write it: lower case, no default port, names of other scripts in ASCII. */
function originFrom(scheme: string, authority: string): string {
  let host = (isAscii(authority) ? authority : asciiHost(authority)).toLowerCase();
  const defaultPort = scheme === 'https:' ? ':443' : ':80';
  if (host.endsWith(defaultPort)) host = host.slice(0, -defaultPort.length);
  else if (host.endsWith(':')) host = host.slice(0, -1);
  return `${scheme}//${host}`;
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}

// One char a byte: the page says it in UTF-8.
function asciiHost(host: string): string {
  const name = Buffer.from(host, 'latin1').toString('utf8');
  const port = /:\d+$/.exec(name)?.[0] ?? '';
  return domainToASCII(name.slice(0, name.length - port.length)) + port;
}

function isSlash(code: number): boolean {
  return code === slash || code === backslash;
}

/** What is published at one origin. */
interface OriginAddresses {
  readonly byPath: Map<string, PublishedAddress>;
  /** Segments of the longest path. */
  depth: number;
}

// Of several with one path the first stands.
function insert(
  map: Map<string, OriginAddresses>,
  origin: string,
  path: string,
  address: PublishedAddress,
): void {
  let addresses = map.get(origin);
  if (addresses === undefined) {
    addresses = { byPath: new Map(), depth: 0 };
    map.set(origin, addresses);
  }
  if (!addresses.byPath.has(path)) addresses.byPath.set(path, address);
  addresses.depth = Math.max(addresses.depth, path.split('/').length - 2);
}

function longest({ byPath, depth }: OriginAddresses, text: string, start: number): PublishedAddress | null {
  let found = byPath.get('/') ?? null;
  if (depth === 0) return found;
  let end = start;
  while (!isPathEnd(text, end)) end++;
  let at = start;
  for (let segments = 1; segments <= depth && at < end; segments++) {
    const next = text.indexOf('/', at + 1);
    // `/app` names what is published as `/app/`.
    if (next < 0 || next >= end) return byPath.get(`${text.slice(start, end)}/`) ?? found;
    found = byPath.get(text.slice(start, next + 1)) ?? found;
    at = next;
  }
  return found;
}

function anyOf({ byPath }: OriginAddresses): PublishedAddress | null {
  return byPath.values().next().value ?? null;
}

function isSameInside(one: PublishedAddress, other: PublishedAddress): boolean {
  return one.internalOrigin === other.internalOrigin && one.internalPath === other.internalPath;
}
