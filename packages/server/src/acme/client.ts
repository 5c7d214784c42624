import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { calculateJwkThumbprint, exportJWK, FlattenedSign, type JWK } from 'jose';
import { z } from 'zod';
import { AcmeError, remedyFor } from './acme-error.ts';
import type { AcmeResponse, AcmeTransport } from './transport.ts';

const directory = z.object({
  newNonce: z.url(),
  newAccount: z.url(),
  newOrder: z.url(),
  meta: z
    .object({ termsOfService: z.string().optional(), externalAccountRequired: z.boolean().optional() })
    .optional(),
});

const problem = z.object({
  type: z.string().default(''),
  detail: z.string().default(''),
  subproblems: z.array(z.object({ type: z.string().default(''), detail: z.string().default('') })).optional(),
});
type Problem = z.infer<typeof problem>;

const order = z.object({
  status: z.enum(['pending', 'ready', 'processing', 'valid', 'invalid']),
  authorizations: z.array(z.url()).max(100),
  finalize: z.url(),
  certificate: z.url().optional(),
  error: problem.optional(),
});
/** An order with its address (RFC 8555 §7.1.3). */
export type Order = z.infer<typeof order> & { readonly url: string };

const challenge = z.object({
  type: z.string(),
  url: z.url(),
  status: z.enum(['pending', 'processing', 'valid', 'invalid']),
  token: z
    .string()
    // RFC 8555 §8.3: base64url, and so nothing that a path could be made of.
    .regex(/^[A-Za-z0-9_-]{1,256}$/)
    .optional(),
  error: problem.optional(),
});
export type Challenge = z.infer<typeof challenge>;

const authorization = z.object({
  identifier: z.object({ type: z.string(), value: z.string() }),
  status: z.enum(['pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked']),
  wildcard: z.boolean().optional(),
  challenges: z.array(challenge),
});
export type Authorization = z.infer<typeof authorization>;

/** What an authority gives to those who have an account elsewhere (RFC 8555 §7.3.4). */
export interface ExternalAccount {
  readonly keyId: string;
  /** The MAC key. */
  readonly key: Buffer;
}

export interface AccountInput {
  /** Empty: none. */
  readonly email: string;
  readonly externalAccount: ExternalAccount | null;
}

export interface AcmeClientParts {
  readonly directoryUrl: string;
  /** P-256, of the account. */
  readonly key: KeyObject;
  /** The account's address; null before there is one. */
  readonly accountUrl: string | null;
  readonly transport: AcmeTransport;
  readonly signal: AbortSignal;
}

const maxNonceRetries = 8;
const firstPauseMs = 250;
const longestPauseMs = 5_000;

/** A conversation with one ACME server (RFC 8555), for one account. */
export class AcmeClient {
  readonly #parts: AcmeClientParts;
  readonly #nonces: string[] = [];
  #directory: z.infer<typeof directory> | null = null;
  #accountUrl: string | null;

  constructor(parts: AcmeClientParts) {
    this.#parts = parts;
    this.#accountUrl = parts.accountUrl;
  }

  /**
   * Makes the account, or finds the one that this key has already. Agrees to the terms of service, which the caller has
   * asked the operator about.
   *
   * @returns its address.
   */
  async register({ email, externalAccount }: AccountInput): Promise<string> {
    const { newAccount, meta } = await this.#getDirectory();
    if (meta?.externalAccountRequired === true && externalAccount === null) {
      throw new AcmeError(
        'externalAccountRequired',
        'The authority wants an account that you have there already (external account binding).',
        remedyFor('externalAccountRequired'),
      );
    }
    const jwk = await this.#publicJwk();
    const payload = {
      termsOfServiceAgreed: true,
      ...(email === '' ? {} : { contact: [`mailto:${email}`] }),
      ...(externalAccount === null
        ? {}
        : { externalAccountBinding: await bind(externalAccount, jwk, newAccount) }),
    };
    const response = await this.#post(newAccount, payload, { jwk });
    const url = response.header('location');
    if (url === null) throw notAcme('it gave an account no address');
    this.#accountUrl = url;
    return url;
  }

  async newOrder(names: readonly string[]): Promise<Order> {
    const { newOrder } = await this.#getDirectory();
    const identifiers = names.map(value => ({ type: 'dns', value }));
    const response = await this.#post(newOrder, { identifiers });
    const url = response.header('location');
    if (url === null) throw notAcme('it gave an order no address');
    return { ...parse(order, response), url };
  }

  async order(url: string): Promise<Order> {
    return { ...parse(order, await this.#post(url, null)), url };
  }

  async authorization(url: string): Promise<Authorization> {
    return parse(authorization, await this.#post(url, null));
  }

  /** Says that a challenge can be looked at. */
  async respond(url: string): Promise<void> {
    await this.#post(url, {});
  }

  /** Hands in the certificate signing request, DER. */
  async finalize({ url, finalize }: Order, csr: Buffer): Promise<Order> {
    return { ...parse(order, await this.#post(finalize, { csr: csr.toString('base64url') })), url };
  }

  /** @returns The chain, PEM. */
  async certificate(url: string): Promise<string> {
    return (await this.#post(url, null)).body;
  }

  /** What proves that a challenge is answered by this account (RFC 8555 §8.1). */
  async keyAuthorization(token: string): Promise<string> {
    return `${token}.${await calculateJwkThumbprint(await this.#publicJwk())}`;
  }

  /**
   * Asks again and again until an answer will do, with growing pauses.
   *
   * @throws AcmeError `timed_out`
   */
  async poll<T>(ask: () => Promise<T>, isDone: (answer: T) => boolean, limitMs: number): Promise<T> {
    const end = performance.now() + limitMs;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      const answer = await ask();
      if (isDone(answer)) return answer;
      if (performance.now() > end) {
        throw new AcmeError(
          'timed_out',
          `The authority came to no decision within ${limitMs / 1_000} s.`,
          remedyFor('timed_out'),
        );
      }
      await delay(pauseMs, undefined, { signal: this.#parts.signal });
    }
  }

  async #getDirectory(): Promise<z.infer<typeof directory>> {
    if (this.#directory !== null) return this.#directory;
    const { transport, directoryUrl, signal } = this.#parts;
    const response = await transport({ method: 'GET', url: directoryUrl }, signal);
    if (response.status !== 200) throw errorOf(response);
    this.#directory = parse(directory, response);
    return this.#directory;
  }

  async #publicJwk(): Promise<JWK> {
    return exportJWK(createPublicKey(this.#parts.key));
  }

  /** @param payload Null: nothing but the signature, in place of a GET (RFC 8555 §6.3). */
  async #post(url: string, payload: unknown, identity: { jwk?: JWK } = {}): Promise<AcmeResponse> {
    const { transport, signal } = this.#parts;
    const who = identity.jwk === undefined ? { kid: this.#requireAccount() } : { jwk: identity.jwk };
    for (let attempt = 1; ; attempt++) {
      const nonce = this.#nonces.pop() ?? (await this.#newNonce());
      const body = JSON.stringify(await this.#sign(payload, { ...who, nonce, url }));
      const response = await transport({ method: 'POST', url, body }, signal);
      this.#keepNonce(response);
      if (response.status < 400) return response;
      const error = errorOf(response);
      // The server's way of saying that it has forgotten its nonces; the request was not looked at (RFC 8555 §6.5).
      if (error.code !== 'badNonce' || attempt > maxNonceRetries) throw error;
    }
  }

  #requireAccount(): string {
    if (this.#accountUrl === null) throw new TypeError('there is no account yet');
    return this.#accountUrl;
  }

  #sign(payload: unknown, header: object): Promise<object> {
    const text = payload === null ? '' : JSON.stringify(payload);
    return new FlattenedSign(new TextEncoder().encode(text))
      .setProtectedHeader({ alg: 'ES256', ...header })
      .sign(this.#parts.key);
  }

  async #newNonce(): Promise<string> {
    const { newNonce } = await this.#getDirectory();
    const response = await this.#parts.transport({ method: 'HEAD', url: newNonce }, this.#parts.signal);
    const nonce = response.header('replay-nonce');
    if (nonce === null) throw notAcme('it gave no nonce');
    return nonce;
  }

  #keepNonce(response: AcmeResponse): void {
    const nonce = response.header('replay-nonce');
    if (nonce !== null && this.#nonces.length < 10) this.#nonces.push(nonce);
  }
}

/** The account's key, signed with the key that the authority gave (RFC 8555 §7.3.4). */
function bind({ keyId, key }: ExternalAccount, jwk: JWK, url: string): Promise<object> {
  return new FlattenedSign(new TextEncoder().encode(JSON.stringify(jwk)))
    .setProtectedHeader({ alg: 'HS256', kid: keyId, url })
    .sign(key);
}

/** Digest of a key authorization, as dns-01 and tls-alpn-01 show it. */
export function digestOf(keyAuthorization: string): Buffer {
  return hash('sha256', keyAuthorization, 'buffer');
}

function parse<T extends z.ZodType>(schema: T, response: AcmeResponse): z.output<T> {
  try {
    return schema.parse(JSON.parse(response.body));
  } catch (cause) {
    throw notAcme('its answer is not what RFC 8555 says', cause);
  }
}

function notAcme(why: string, cause?: unknown): AcmeError {
  return new AcmeError(
    'not_acme',
    `What answers at certificates.acme.directoryUrl is no ACME server: ${why}.`,
    'Check certificates.acme.directoryUrl: it is the address of the directory, such as https://acme.example.com/directory.',
    { cause },
  );
}

function errorOf(response: AcmeResponse): AcmeError {
  const read = problem.safeParse(parseJson(response.body));
  if (!read.success || read.data.type === '') return notAcme(`it answered with status ${response.status}`);
  return errorFrom(read.data, retryAfterMs(response));
}

/** What a server says of a challenge or an order that failed. */
export function errorFrom(
  { type, detail, subproblems = [] }: Problem,
  waitMs: number | null = null,
): AcmeError {
  const code = type.replace(/^urn:ietf:params:acme:error:/, '');
  const said = [detail, ...subproblems.map(each => each.detail)].filter(Boolean).join('; ');
  const message = `The authority refused (${printable(code)}): ${printable(said)}`;
  return new AcmeError(code, message, remedyFor(code), { retryAfterMs: waitMs });
}

const longestWaitMs = 7 * 86_400_000;

/** RFC 9110 §10.2.3: seconds, or a date. */
function retryAfterMs(response: AcmeResponse): number | null {
  const value = response.header('retry-after');
  if (value === null) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestWaitMs) : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What others say goes into logs and onto terminals. */
function printable(text: string): string {
  return text.slice(0, 500).replace(/[\p{Cc}\p{Cf}]+/gu, ' ');
}
