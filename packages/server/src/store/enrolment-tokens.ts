import type { Kysely } from 'kysely';
import type { Database, EnrolmentTokenTable } from './schema.ts';

export type EnrolmentTokenRow = Readonly<EnrolmentTokenTable>;

export async function insertEnrolmentToken(db: Kysely<Database>, token: EnrolmentTokenRow): Promise<void> {
  await db.insertInto('enrolmentToken').values(token).execute();
}

export async function findEnrolmentToken(
  db: Kysely<Database>,
  id: string,
): Promise<EnrolmentTokenRow | null> {
  return (await db.selectFrom('enrolmentToken').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** @param secretHash SHA-256 of the secret, base64url. */
export async function findEnrolmentTokenBySecret(
  db: Kysely<Database>,
  secretHash: string,
): Promise<EnrolmentTokenRow | null> {
  const found = await db
    .selectFrom('enrolmentToken')
    .selectAll()
    .where('secretHash', '=', secretHash)
    .executeTakeFirst();
  return found ?? null;
}

/** Every one that is kept, used up and expired ones included. */
export function listEnrolmentTokens(db: Kysely<Database>): Promise<EnrolmentTokenRow[]> {
  return db.selectFrom('enrolmentToken').selectAll().execute();
}

/**
 * Counts one use, if there is one left: of several callers at the same moment as many get true as uses were left.
 *
 * @param now Milliseconds since the epoch.
 */
export async function takeEnrolmentUse(db: Kysely<Database>, id: string, now: number): Promise<boolean> {
  const result = await db
    .updateTable('enrolmentToken')
    .set(eb => ({ uses: eb('uses', '+', 1), lastUsedAt: now }))
    .where('id', '=', id)
    .where('revokedAt', 'is', null)
    .where('expiresAt', '>', now)
    .whereRef('uses', '<', 'maxUses')
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** An earlier time stays. */
export async function markEnrolmentTokenRevoked(
  db: Kysely<Database>,
  id: string,
  revokedAt: number,
): Promise<void> {
  await db
    .updateTable('enrolmentToken')
    .set({ revokedAt })
    .where('id', '=', id)
    .where('revokedAt', 'is', null)
    .execute();
}

export async function deleteEnrolmentTokensExpiredBefore(
  db: Kysely<Database>,
  before: number,
): Promise<void> {
  await db.deleteFrom('enrolmentToken').where('expiresAt', '<', before).execute();
}
