import { randomBytes } from 'node:crypto';
import type { Sealer } from '../sign-in/sealer.ts';
import { formatCookie, formatCookieRemoval, readCookies } from './request-cookies.ts';

/** What the relying party remembers of one authorization request, in the browser that began it. */
export interface Transaction {
  /** The `state` of the request: the transaction's id, a dot, and how often it was begun again. */
  readonly state: string;
  readonly nonce: string;
  /** PKCE verifier (RFC 7636). */
  readonly verifier: string;
  /** Where the person goes afterwards: path and query. */
  readonly returnPath: string;
  readonly host: string;
  readonly clientId: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** It renews a session that a page of the application has; absent: a person goes somewhere. */
  readonly renews?: 'in-frame' | 'in-window';
}

const prefix = '__Host-postern-tx-';

/** How long the answer to a request is accepted. */
const validForMs = 10 * 60_000;
/** How long the cookie stays, so that a late answer still finds the way back to where the person wanted to go. */
const keptForSeconds = 3_600;
/** Tabs that sign in at the same time; one more makes the oldest forgotten. */
const maxTransactions = 5;

/** Begins a transaction; gives it and the Set-Cookie fields that keep it. */
export function beginTransaction(
  sealer: Sealer,
  begun: Omit<Transaction, 'state'> & { readonly attempt: number },
  cookieField: string | undefined,
): { readonly transaction: Transaction; readonly setCookie: readonly string[] } {
  const { attempt, ...rest } = begun;
  const id = randomBytes(16).toString('base64url');
  const transaction: Transaction = { ...rest, state: `${id}.${attempt}` };
  const sealed = sealer.seal(JSON.stringify(transaction), contextOf(id));
  return {
    transaction,
    setCookie: [
      ...surplusTransactions(sealer, cookieField).map(formatCookieRemoval),
      formatCookie(`${prefix}${id}`, sealed, keptForSeconds),
    ],
  };
}

export interface FoundTransaction {
  readonly transaction: Transaction;
  /** Whether the answer came in time. */
  readonly isValid: boolean;
}

/** Finds the transaction that an answer belongs to; null where this browser has none with its state for this host. */
export function findTransaction(
  sealer: Sealer,
  { state, host, now }: { readonly state: string; readonly host: string; readonly now: number },
  cookieField: string | undefined,
): FoundTransaction | null {
  const id = transactionId(state);
  const sealed = id === null ? undefined : readCookies(cookieField).get(`${prefix}${id}`);
  const transaction = id === null || sealed === undefined ? null : open(sealer, id, sealed);
  if (transaction === null || transaction.state !== state || transaction.host !== host) return null;
  const age = now - transaction.createdAt;
  return { transaction, isValid: age < validForMs };
}

/** The Set-Cookie field that forgets the transaction of a state. */
export function forgetTransaction(state: string): string[] {
  const id = transactionId(state);
  return id === null ? [] : [formatCookieRemoval(`${prefix}${id}`)];
}

/** How often the sign-in that a state belongs to was begun again; it guards against circles, nothing more. */
export function attemptOf(state: string): number {
  return Number(/^[\w-]{22}\.(\d)$/.exec(state)?.[1] ?? 0);
}

function transactionId(state: string): string | null {
  return /^([\w-]{22})\.\d$/.exec(state)?.[1] ?? null;
}

function surplusTransactions(sealer: Sealer, cookieField: string | undefined): string[] {
  const known = [...readCookies(cookieField)]
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, sealed]) => ({
      name,
      createdAt: open(sealer, name.slice(prefix.length), sealed)?.createdAt ?? 0,
    }))
    .sort((a, b) => b.createdAt - a.createdAt);
  return known.slice(maxTransactions - 1).map(({ name }) => name);
}

function open(sealer: Sealer, id: string, sealed: string): Transaction | null {
  const text = sealer.unseal(sealed, contextOf(id));
  return text === null ? null : (JSON.parse(text) as Transaction);
}

const contextOf = (id: string) => `transaction ${id}`;
