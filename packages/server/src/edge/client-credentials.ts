import { hash, timingSafeEqual } from 'node:crypto';
import type { Session } from '../feed/relay-state.ts';
import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import type { RouteClients } from '../routes/route-clients.ts';
import type { TokenClaims, TokenVerifier } from './access-tokens.ts';
import type { FailedClients } from './failed-clients.ts';

/** What the Authorization field of a request says, as far as it could have been made for us. */
export type Presented =
  | { readonly kind: 'basic'; readonly clientId: string; readonly secretHash: Buffer }
  | {
      readonly kind: 'bearer';
      readonly token: string;
      /** It came as the password of HTTP Basic, which is all that many programs know to send. */
      readonly isInBasic: boolean;
      /** Undefined until it has been verified; null where it does not hold. */
      readonly claims: TokenClaims | null | undefined;
    };

export type PresentedToken = Extract<Presented, { kind: 'bearer' }>;

/** What is known of the last request's Authorization, good while the client's fields repeat. */
export interface PresentedBefore {
  readonly fieldsVersion: number;
  readonly presented: Presented | null;
}

/** What becomes of a request that says in Authorization who sends it. */
export type ClientCheck =
  /** The field is not for us: the request is what it is without. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'known'; readonly session: Session }
  /** Verify this token, then check again. */
  | { readonly kind: 'verify'; readonly bearer: PresentedToken }
  | { readonly kind: 'wrong'; readonly what: ClientProblem }
  | { readonly kind: 'blocked'; readonly waitSeconds: number };

/** What was wrong with what was presented, for the challenge. */
export type ClientProblem = 'invalid_token' | 'invalid_credentials';

export interface ClientCheckParts {
  readonly tokens: TokenVerifier;
  readonly failures: FailedClients;
  readonly currentSession: (id: string) => Session | undefined;
  /** A credential has let a request in. */
  readonly onUse: (credentialId: string) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const foreign: ClientCheck = { kind: 'foreign' };
const wrongCredentials: ClientCheck = { kind: 'wrong', what: 'invalid_credentials' };
const invalidToken: ClientCheck = { kind: 'wrong', what: 'invalid_token' };

/**
 * Who a program is that presents a credential of an application or an access token of ours. Needs nothing but what is in
 * memory: programs stay in while the control process is down.
 *
 * @param addressKey What wrong ones are counted under.
 */
export function checkClient(
  presented: Presented | null,
  applicationId: string,
  clients: RouteClients,
  addressKey: string,
  parts: ClientCheckParts,
): ClientCheck {
  if (presented === null) return foreign;
  if (presented.kind === 'basic') return checkBasic(presented, clients, addressKey, parts);
  return checkBearer(presented, applicationId, clients, addressKey, parts);
}

/** Whether a field was made for the service, right or wrong, and so stays with it. */
export function isOurs(presented: Presented | null, clients: RouteClients): boolean {
  if (presented === null) return false;
  return presented.kind === 'bearer' || clients.programs.has(presented.clientId);
}

function checkBasic(
  { clientId, secretHash }: Extract<Presented, { kind: 'basic' }>,
  { programs, isBasicAllowed }: RouteClients,
  addressKey: string,
  { failures, onUse, now }: ClientCheckParts,
): ClientCheck {
  const credentials = programs.get(clientId);
  if (credentials === undefined) return foreign;
  if (!isBasicAllowed) return wrongCredentials;
  const waitSeconds = failures.waitSeconds(addressKey);
  if (waitSeconds > 0) return { kind: 'blocked', waitSeconds };
  const known = credentials.find(one => timingSafeEqual(one.secretHash, secretHash));
  if (known === undefined) {
    failures.count(addressKey);
    return wrongCredentials;
  }
  if (known.record.expiresAt <= now()) return wrongCredentials;
  onUse(known.record.id);
  return { kind: 'known', session: known.session };
}

function checkBearer(
  bearer: PresentedToken,
  applicationId: string,
  { programs, isBasicAllowed, isBearerAllowed }: RouteClients,
  addressKey: string,
  { failures, currentSession, onUse, now }: ClientCheckParts,
): ClientCheck {
  if (!isBearerAllowed || (bearer.isInBasic && !isBasicAllowed)) return invalidToken;
  const { claims } = bearer;
  if (claims === undefined) {
    const waitSeconds = failures.waitSeconds(addressKey);
    return waitSeconds > 0 ? { kind: 'blocked', waitSeconds } : { kind: 'verify', bearer };
  }
  if (claims === null || claims.expiresAt <= now()) return invalidToken;
  // Of another application (threat C6): the cache knows the token, not where it may be used.
  if (claims.applicationId !== applicationId) return invalidToken;
  if (claims.credentialId !== null) {
    const known = programs.get(claims.subject)?.find(one => one.record.id === claims.credentialId);
    if (known === undefined || known.record.expiresAt <= now()) return invalidToken;
    onUse(known.record.id);
    return { kind: 'known', session: known.session };
  }
  const session = currentSession(claims.sessionId);
  if (session === undefined || session.user.id !== claims.subject) return invalidToken;
  if (session.record.host !== tokenHost(applicationId)) return invalidToken;
  return { kind: 'known', session };
}

/** In place of a host in the session of an access token: no host is called so, so no cookie can be of such a session. */
export function tokenHost(applicationId: string): string {
  return `token:${applicationId}`;
}

const clientIdLength = 36;

/**
 * Reads the Authorization field of a request; null where there is none, more than one, or one of another scheme or maker.
 */
export function readPresented(head: MessageHead, tokens: TokenVerifier): Presented | null {
  const index = head.find(fieldIds.authorization);
  if (head.findNext(fieldIds.authorization, index) >= 0) return null;
  const value = head.valueOf(index);
  const scheme = value.slice(0, 7).toLowerCase();
  if (scheme === 'bearer ') return readToken(value.slice(7).trim(), false, tokens);
  if (!scheme.startsWith('basic ')) return null;
  const pair = Buffer.from(value.slice(6), 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  // What names nobody of ours is not looked into: it may be a person's password for the backend.
  if (colon !== clientIdLength) return readToken(pair.slice(colon + 1), true, tokens);
  return {
    kind: 'basic',
    clientId: pair.slice(0, colon).toLowerCase(),
    secretHash: hash('sha256', pair.slice(colon + 1), 'buffer'),
  };
}

function readToken(token: string, isInBasic: boolean, tokens: TokenVerifier): PresentedToken | null {
  return tokens.mayBeOurs(token) ? { kind: 'bearer', token, isInBasic, claims: tokens.known(token) } : null;
}
