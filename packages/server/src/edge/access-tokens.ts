import { hash } from 'node:crypto';
import { createLocalJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import type { TokenTrust } from '../feed/messages.ts';

/** What a verified access token says. */
export interface TokenClaims {
  /** Id of a user, or of a client where `credentialId` is set. */
  readonly subject: string;
  /** The one application that it is good for. */
  readonly applicationId: string;
  /** The session that it lives and ends with; empty for a program's. */
  readonly sessionId: string;
  /** The credential that a program got it with; null for a person's. */
  readonly credentialId: string | null;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Claims of ours in access tokens, beside those of RFC 9068. */
export const sessionClaim = 'sid';
export const credentialClaim = 'postern_credential';

/** Tokens that are remembered at a time, some 300 bytes each; of more the oldest is verified again. */
const maxKnown = 10_000;
/** Ours have less than a thousand characters. */
const maxTokenLength = 4_096;
const algorithm = 'ES256';

/**
 * Verifies access tokens of our own OpenID Provider (RFC 9068) with the keys that the feed brings. What was verified is
 * remembered by the SHA-256 of the whole token, so a changed byte is another token; where it may be used, and whether its
 * session still is, is asked on every request.
 */
export class TokenVerifier {
  readonly #trust: () => TokenTrust | null;
  readonly #known = new Map<string, TokenClaims>();
  #keys: { readonly trust: TokenTrust; readonly find: ReturnType<typeof createLocalJWKSet> } | null = null;

  /** @param trust Null until the feed has brought it. */
  constructor(trust: () => TokenTrust | null) {
    this.#trust = trust;
  }

  /** Whether a token says that it is one of ours, which proves nothing yet. */
  mayBeOurs(token: string): boolean {
    const trust = this.#trust();
    // As all of them begin: the first half of a JSON object.
    if (trust === null || token.length > maxTokenLength || !token.startsWith('eyJ')) return false;
    const [, payload, signature, ...more] = token.split('.');
    if (payload === undefined || signature === undefined || more.length > 0) return false;
    try {
      const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'));
      return typeof claims === 'object' && claims !== null && Reflect.get(claims, 'iss') === trust.issuer;
    } catch {
      return false;
    }
  }

  /** The claims of a token that was verified before; undefined for any other. */
  known(token: string): TokenClaims | undefined {
    const trust = this.#trust();
    if (trust === null) return undefined;
    this.#keysOf(trust);
    return this.#known.get(keyOf(token));
  }

  /**
   * Verifies a token; null where it does not hold. One that has expired is none that somebody has made up: whoever asks has
   * to look at its end, as with one that was verified before. Never rejects.
   */
  async verify(token: string): Promise<TokenClaims | null> {
    const trust = this.#trust();
    if (trust === null) return null;
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, this.#keysOf(trust), {
        issuer: trust.issuer,
        algorithms: [algorithm],
        typ: 'at+jwt',
        requiredClaims: ['sub', 'aud', 'exp', 'iat', 'client_id'],
      }));
    } catch (error) {
      // The last thing that is looked at: all else holds.
      if (!(error instanceof errors.JWTExpired)) return null;
      ({ payload } = error);
    }
    const claims = claimsOf(payload);
    if (claims === null || this.#keys?.trust !== trust) return null;
    if (this.#known.size >= maxKnown) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(keyOf(token), claims);
    return claims;
  }

  #keysOf(trust: TokenTrust): ReturnType<typeof createLocalJWKSet> {
    if (this.#keys?.trust !== trust) {
      this.#keys = { trust, find: createLocalJWKSet({ keys: [...trust.keys] }) };
      // A key that was taken away vouches for nothing any more.
      this.#known.clear();
    }
    return this.#keys.find;
  }
}

function keyOf(token: string): string {
  return hash('sha256', token, 'base64url');
}

function claimsOf(payload: JWTPayload): TokenClaims | null {
  const { sub: subject, aud: applicationId, exp } = payload;
  const { [sessionClaim]: sessionId, [credentialClaim]: credentialId } = payload;
  if (typeof subject !== 'string' || typeof applicationId !== 'string' || exp === undefined) return null;
  const expiresAt = exp * 1_000;
  if (typeof credentialId === 'string') {
    return { subject, applicationId, sessionId: '', credentialId, expiresAt };
  }
  if (typeof sessionId !== 'string') return null;
  return { subject, applicationId, sessionId, credentialId: null, expiresAt };
}
