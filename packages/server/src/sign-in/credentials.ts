import type { Kysely } from 'kysely';
import type { Database } from '../store/schema.ts';
import { findUserBySignInName, type UserRow } from '../store/users.ts';
import type { FailureCounter } from './failure-counter.ts';
import type { PasswordHasher } from './password-hash.ts';
import { maxPasswordLength } from './password-rules.ts';
import { maxSignInNameLength, normalizeSignInName } from './sign-in-name.ts';

export interface Credentials {
  readonly name: string;
  readonly password: string;
  /** Where the attempt came from. */
  readonly address: string;
}

export interface CredentialsParts {
  readonly db: Kysely<Database>;
  readonly hasher: PasswordHasher;
  readonly failures: FailureCounter;
  readonly now: () => number;
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
  { db, hasher, failures, now }: CredentialsParts,
  { name, password, address }: Credentials,
): Promise<UserRow | null> {
  if (name.length > maxSignInNameLength || password.length > maxPasswordLength) return null;
  const signInName = normalizeSignInName(name);
  const attempt = await failures.begin(signInName, address, now());
  if (attempt === null) return null;
  const account = await findUserBySignInName(db, signInName);
  let matches: boolean;
  try {
    matches = await hasher.verify(password, account?.passwordHash ?? null);
  } catch (error) {
    await failures.takeBack(attempt);
    throw error;
  }
  if (account === null || !matches || account.accountEnabled !== 1) return null;
  await failures.succeed(attempt);
  return account;
}
