/**
 * Small integers for the field names that somebody on the request's path treats specially, and for those that browsers
 * and servers send most, so that most lookups never touch the name again. The key is the name in camel case.
 *
 * `other` is every name not listed. `underscored` is every name with an underscore in it: CGI-like backends read
 * `X_Remote_User` as `X-Remote-User`, so the relay drops these from requests (threat C1). Ids 2 to 7 decide framing and
 * connection handling and are looked at while parsing.
 */
export const fieldIds = {
  other: 0,
  underscored: 1,
  host: 2,
  contentLength: 3,
  transferEncoding: 4,
  connection: 5,
  upgrade: 6,
  expect: 7,
  keepAlive: 8,
  te: 9,
  trailer: 10,
  proxyConnection: 11,
  proxyAuthorization: 12,
  proxyAuthenticate: 13,
  proxyAuthenticationInfo: 14,
  http2Settings: 15,
  cookie: 16,
  setCookie: 17,
  authorization: 18,
  wwwAuthenticate: 19,
  authenticationInfo: 20,
  forwarded: 21,
  xForwardedFor: 22,
  xForwardedHost: 23,
  xForwardedProto: 24,
  xForwardedPort: 25,
  xForwardedPrefix: 26,
  xForwardedUri: 27,
  xForwardedServer: 28,
  xForwardedMethod: 29,
  xForwardedUser: 30,
  xForwardedEmail: 31,
  xForwardedScheme: 32,
  xForwardedSsl: 33,
  xRealIp: 34,
  xClientIp: 35,
  xRequestId: 36,
  xOriginalUrl: 37,
  xOriginalUri: 38,
  xOriginalHost: 39,
  xRewriteUrl: 40,
  frontEndHttps: 41,
  trueClientIp: 42,
  via: 43,
  origin: 44,
  referer: 45,
  secFetchDest: 46,
  secFetchMode: 47,
  secFetchSite: 48,
  secFetchUser: 49,
  secChUa: 50,
  secChUaMobile: 51,
  secChUaPlatform: 52,
  secWebsocketKey: 53,
  secWebsocketVersion: 54,
  secWebsocketAccept: 55,
  secWebsocketProtocol: 56,
  secWebsocketExtensions: 57,
  accept: 58,
  acceptEncoding: 59,
  acceptLanguage: 60,
  userAgent: 61,
  upgradeInsecureRequests: 62,
  cacheControl: 63,
  pragma: 64,
  priority: 65,
  dnt: 66,
  range: 67,
  ifRange: 68,
  ifMatch: 69,
  ifNoneMatch: 70,
  ifModifiedSince: 71,
  ifUnmodifiedSince: 72,
  maxForwards: 73,
  xRequestedWith: 74,
  xCsrfToken: 75,
  accessControlRequestMethod: 76,
  accessControlRequestHeaders: 77,
  accessControlAllowOrigin: 78,
  accessControlAllowCredentials: 79,
  contentType: 80,
  contentEncoding: 81,
  contentLanguage: 82,
  contentLocation: 83,
  contentRange: 84,
  contentDisposition: 85,
  contentSecurityPolicy: 86,
  location: 87,
  refresh: 88,
  date: 89,
  server: 90,
  lastModified: 91,
  etag: 92,
  expires: 93,
  age: 94,
  vary: 95,
  acceptRanges: 96,
  allow: 97,
  altSvc: 98,
  link: 99,
  retryAfter: 100,
  strictTransportSecurity: 101,
  xContentTypeOptions: 102,
  xFrameOptions: 103,
  xXssProtection: 104,
  xPoweredBy: 105,
  referrerPolicy: 106,
  persistentAuth: 107,
  clearSiteData: 108,
  cdnLoop: 109,
  contentSecurityPolicyReportOnly: 110,
  destination: 111,
  contentMd5: 112,
  digest: 113,
  contentDigest: 114,
  reprDigest: 115,
} as const;

export type FieldId = (typeof fieldIds)[keyof typeof fieldIds];

/** One more than the highest field id. */
export const fieldIdCount = 116;

/** The lower-case name of each id; empty for `other` and `underscored`, which stand for many. */
export const fieldNames: readonly string[] = listNames();

/**
 * For each byte: its lower-case form if it may stand in a token (RFC 9110 §5.6.2), else 0. One lookup per byte both
 * checks a field name and folds its case.
 */
export const lowerToken: Uint8Array = makeLowerToken();

const slotBits = 11;
const slotMask = (1 << slotBits) - 1;
const nameOffsets = new Uint16Array(fieldIdCount + 1);
const nameBytes = packNames();
const { multiplier, slots } = makeSlots();

/** The id of the field name in bytes[start, end): at least one byte, and token bytes only. */
export function fieldIdOf(bytes: Uint8Array, start: number, end: number): number {
  const id = slots[slotOf(bytes, start, end, multiplier)];
  // The slot only proposes: an attacker can make any number of names that share it.
  if (id !== 0 && matches(bytes, start, end, id)) return id;
  for (let at = start; at < end; at++) if (bytes[at] === 0x5f) return fieldIds.underscored;
  return fieldIds.other;
}

// Among token bytes, `| 0x20` changes letters to lower case and moves nothing else onto a byte of our names.
function matches(bytes: Uint8Array, start: number, end: number, id: number): boolean {
  let at = nameOffsets[id];
  if (nameOffsets[id + 1] - at !== end - start) return false;
  for (let from = start; from < end; from++) if ((bytes[from] | 0x20) !== nameBytes[at++]) return false;
  return true;
}

// Length and three bytes tell our names apart; a hash over all bytes took a third of the time of a whole head.
function slotOf(bytes: Uint8Array, start: number, end: number, by: number): number {
  const length = end - start;
  let hash = Math.imul(length, by) + (bytes[start] | 0x20);
  hash = Math.imul(hash, by) + (bytes[end - 1] | 0x20);
  hash = Math.imul(hash, by) + (bytes[start + ((length * 3) >> 2)] | 0x20);
  return (hash ^ (hash >>> slotBits)) & slotMask;
}

function listNames(): string[] {
  const names = new Array<string>(fieldIdCount).fill('');
  for (const [key, id] of Object.entries(fieldIds)) {
    if (id > fieldIds.underscored) names[id] = key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
  }
  return names;
}

function makeLowerToken(): Uint8Array {
  const table = new Uint8Array(256);
  for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
    table[char.charCodeAt(0)] = char.charCodeAt(0);
    table[char.toUpperCase().charCodeAt(0)] = char.charCodeAt(0);
  }
  return table;
}

// A multiplier under which no two of our names share a slot is found at start.
function makeSlots(): { multiplier: number; slots: Uint8Array } {
  for (let multiplier = 3; multiplier < 1_000_000; multiplier += 2) {
    const slots = new Uint8Array(1 << slotBits);
    if (fieldNames.every((_, id) => claimSlot(slots, id, multiplier))) return { multiplier, slots };
  }
  throw new TypeError('two field names cannot be told apart: look at more of their bytes');
}

function claimSlot(slots: Uint8Array, id: number, multiplier: number): boolean {
  if (fieldNames[id] === '') return true;
  const slot = slotOf(nameBytes, nameOffsets[id], nameOffsets[id + 1], multiplier);
  if (slots[slot] !== 0) return false;
  slots[slot] = id;
  return true;
}

function packNames(): Uint8Array {
  const packed = new Uint8Array(fieldNames.join('').length);
  let at = 0;
  fieldNames.forEach((name, id) => {
    nameOffsets[id] = at;
    for (let i = 0; i < name.length; i++) packed[at++] = name.charCodeAt(i);
  });
  nameOffsets[fieldIdCount] = at;
  return packed;
}
