/**
 * Answers to a proxy that asks who is there: Basic (RFC 7617) and Digest (RFC 7616). A digest is a few hashes of
 * node:crypto in the order that the RFC gives; the libraries that do it know MD5 only.
 */

import { createHash, randomBytes } from 'node:crypto';

/** What a proxy offers with 407: one scheme with its parameters, their names in lower case. */
export interface Challenge {
  /** As the proxy wrote it: `Basic`, `Digest`, `NTLM`, … */
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** The answer was right and its nonce too old. */
  readonly isStale: boolean;
  /** How often this challenge was answered; a digest counts them. */
  uses: number;
}

export interface ProxyCredentials {
  readonly user: string;
  readonly password: string;
}

/** Longest list of challenges that is read; a real one has a few hundred characters. */
const maxChallengeLength = 16_384;

/** Reads the fields `Proxy-Authenticate` of an answer (RFC 9110 §11.6.1); what cannot be read ends the list. */
export function parseChallenges(fields: readonly string[]): Challenge[] {
  return fields.flatMap(field => parseField(field.slice(0, maxChallengeLength)));
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const separator = /[\s,]*/y;
const parameter = new RegExp(`(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))\\s*(?=,|$)`, 'y');
// `Negotiate abc==` has one value in place of parameters.
const schemeName = new RegExp(`(${token})(?=[\\s,]|$)(?:\\s+[A-Za-z0-9._~+/-]+=*\\s*(?=,|$))?`, 'y');

function parseField(field: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(field);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  for (;;) {
    take(separator);
    const pair = challenges.length === 0 ? null : take(parameter);
    if (pair !== null) {
      const value = pair[2] === undefined ? pair[3]! : pair[2].replace(/\\(.)/g, '$1');
      challenges.at(-1)!.parameters.set(pair[1]!.toLowerCase(), value);
      continue;
    }
    const name = take(schemeName);
    if (name === null) break;
    challenges.push({ scheme: name[1]!, parameters: new Map() });
  }
  return challenges.map(one => ({
    ...one,
    isStale: one.parameters.get('stale')?.toLowerCase() === 'true',
    uses: 0,
  }));
}

/** Hashes of a digest, the strongest first, by their names in challenges and in node:crypto. */
const digestHashes = [
  ['sha-512-256', 'sha512-256'],
  ['sha-256', 'sha256'],
  ['md5', 'md5'],
] as const;

/** The strongest challenge that can be answered; null if none can. */
export function chooseChallenge(challenges: readonly Challenge[]): Challenge | null {
  for (const [algorithm] of digestHashes) {
    const found = challenges.find(
      one => isScheme(one, 'digest') && algorithmOf(one).name === algorithm && hasUsableQop(one),
    );
    if (found !== undefined) return found;
  }
  return challenges.find(one => isScheme(one, 'basic')) ?? null;
}

/** The value of `Proxy-Authorization` that answers a challenge of {@link chooseChallenge}. */
export function answerChallenge(
  challenge: Challenge,
  { user, password }: ProxyCredentials,
  request: { readonly method: string; readonly uri: string },
): string {
  if (isScheme(challenge, 'basic')) {
    return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
  }
  challenge.uses += 1;
  return answerDigest(challenge, { user, password }, request, randomBytes(16).toString('hex'));
}

/** @param cnonce A value of ours that the proxy cannot foresee. */
export function answerDigest(
  { parameters, uses }: Challenge,
  { user, password }: ProxyCredentials,
  { method, uri }: { readonly method: string; readonly uri: string },
  cnonce: string,
): string {
  const { name, isSession } = algorithmOf({ parameters });
  const hashName = digestHashes.find(([one]) => one === name)![1];
  const h = (...parts: readonly string[]) =>
    createHash(hashName).update(parts.join(':'), 'latin1').digest('hex');
  const realm = parameters.get('realm') ?? '';
  const nonce = parameters.get('nonce') ?? '';
  const nc = uses.toString(16).padStart(8, '0');
  const keyed = h(asWritten(user), realm, asWritten(password));
  const ha1 = isSession ? h(keyed, nonce, cnonce) : keyed;
  const ha2 = h(method, uri);
  const hasQop = parameters.has('qop');
  const response = hasQop ? h(ha1, nonce, nc, cnonce, 'auth', ha2) : h(ha1, nonce, ha2);
  const opaque = parameters.get('opaque');
  const algorithm = parameters.get('algorithm');
  const answer = [
    `username=${quote(asWritten(user))}`,
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `uri=${quote(uri)}`,
    `response="${response}"`,
    ...(algorithm === undefined ? [] : [`algorithm=${algorithm}`]),
    ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
    ...(hasQop ? ['qop=auth', `nc=${nc}`] : []),
    ...(hasQop || isSession ? [`cnonce="${cnonce}"`] : []),
  ];
  return `Digest ${answer.join(', ')}`;
}

// Header fields are read and written as Latin-1, so that the bytes of UTF-8 pass unchanged (RFC 7616 §4).
function asWritten(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** Whether the answer to one challenge is the answer to the other, so that asking again changes nothing. */
export function haveSameAnswer(one: Challenge, other: Challenge): boolean {
  return isScheme(one, 'basic') && isScheme(other, 'basic');
}

function isScheme({ scheme }: Challenge, wanted: string): boolean {
  return scheme.toLowerCase() === wanted;
}

function algorithmOf({ parameters }: Pick<Challenge, 'parameters'>): { name: string; isSession: boolean } {
  const algorithm = (parameters.get('algorithm') ?? 'MD5').toLowerCase();
  const isSession = algorithm.endsWith('-sess');
  return { name: isSession ? algorithm.slice(0, -'-sess'.length) : algorithm, isSession };
}

// Without qop it is the older digest of RFC 2069; `auth-int` alone would have to hash a body that CONNECT does not have.
function hasUsableQop({ parameters }: Challenge): boolean {
  const qop = parameters.get('qop');
  return qop === undefined || qop.split(',').some(one => one.trim().toLowerCase() === 'auth');
}
