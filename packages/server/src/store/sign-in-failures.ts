import type { Kysely } from 'kysely';
import type { Database, SignInFailureTable } from './schema.ts';

export type SignInFailure = Readonly<SignInFailureTable>;

/** Gives what is counted under these keys, in their order; undefined where nothing is. */
export async function findSignInFailures(
  db: Kysely<Database>,
  keys: readonly string[],
): Promise<readonly (SignInFailure | undefined)[]> {
  const rows = await db.selectFrom('signInFailure').selectAll().where('key', 'in', keys).execute();
  return keys.map(key => rows.find(row => row.key === key));
}

export async function putSignInFailure(db: Kysely<Database>, failure: SignInFailure): Promise<void> {
  await db
    .insertInto('signInFailure')
    .values(failure)
    .onConflict(conflict => conflict.column('key').doUpdateSet(failure))
    .execute();
}

export async function deleteSignInFailure(db: Kysely<Database>, key: string): Promise<void> {
  await db.deleteFrom('signInFailure').where('key', '=', key).execute();
}

/** Takes one count back, and a wait that had begun with it. */
export async function takeBackSignInFailure(db: Kysely<Database>, key: string): Promise<void> {
  await db
    .updateTable('signInFailure')
    .set(expression => ({ count: expression('count', '-', 1), blockedUntil: null }))
    .where('key', '=', key)
    .where('count', '>', 0)
    .execute();
}

/** Deletes counts that began, and waits that ended, before a time. */
export async function deleteStaleSignInFailures(db: Kysely<Database>, before: number): Promise<void> {
  await db
    .deleteFrom('signInFailure')
    .where('windowStartedAt', '<', before)
    .where(where => where.or([where('blockedUntil', 'is', null), where('blockedUntil', '<', before)]))
    .execute();
}
