import type { Kysely } from 'kysely';
import type { Database } from '../store/schema.ts';
import { findUser, findUserBySignInName, type UserRow } from '../store/users.ts';
import * as events from '../telemetry/events.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { FailureCounter } from './failure-counter.ts';
import type { PasswordHasher } from './password-hash.ts';
import { maxPasswordLength } from './password-rules.ts';
import { maxSignInNameLength, normalizeSignInName } from './sign-in-name.ts';

export interface Credentials {
  readonly name: string;
  readonly password: string;
  /** Where the attempt came from. */
  readonly address: string;
  /** For the log. */
  readonly requestId?: string | undefined;
}

/** Why an attempt failed; for the log alone. `busy`: it was not looked at. */
type AttemptFailure =
  | 'too_long'
  | 'too_many_failures'
  | 'busy'
  | 'unknown_name'
  | 'wrong_password'
  | 'account_disabled';

export interface CredentialsParts {
  readonly db: Kysely<Database>;
  readonly hasher: PasswordHasher;
  readonly failures: FailureCounter;
  /** Whether an account signs in with more than its password; without it none does. */
  readonly hasSecondFactor?: (account: UserRow) => boolean | Promise<boolean>;
  readonly now: () => number;
  /** Gets an event for every attempt that fails. */
  readonly log: Logger;
}

/** What every refused attempt is told, whatever the reason, by the page and by the token endpoint alike. */
export const refusal = 'That name and password do not match.';

/**
 * Gives the account that a name and password belong to, or null. Unknown name, wrong password, disabled account and an
 * account that has to wait are one answer; all but the last take the time of one hash.
 *
 * @throws SignInError `busy`.
 */
export async function checkCredentials(
  { db, hasher, failures, now, log }: CredentialsParts,
  { name, password, address, requestId }: Credentials,
): Promise<UserRow | null> {
  const fail = (reason: AttemptFailure, account: UserRow | null = null) => {
    events.signInFailed(log, { reason, userId: account?.id, clientAddress: address, requestId });
    return null;
  };
  if (name.length > maxSignInNameLength || password.length > maxPasswordLength) return fail('too_long');
  const signInName = normalizeSignInName(name);
  const attempt = await failures.begin(signInName, address, now());
  if (attempt === null) return fail('too_many_failures');
  const account = await findUserBySignInName(db, signInName);
  let matches: boolean;
  try {
    matches = await hasher.verify(password, account?.passwordHash ?? null);
  } catch (error) {
    await failures.takeBack(attempt);
    fail('busy', account);
    throw error;
  }
  if (account === null) return fail('unknown_name');
  if (!matches) return fail('wrong_password', account);
  // Hashing takes its time, and more where others wait: the password may be another one by now.
  const current = await findUser(db, account.id);
  if (current === null || current.passwordHash !== account.passwordHash)
    return fail('wrong_password', account);
  if (current.accountEnabled !== 1) return fail('account_disabled', account);
  await failures.succeed(attempt);
  return current;
}
