import { type Kysely, sql } from 'kysely';
import type { Database, OidcRecordTable } from './schema.ts';

export type OidcRecord = Readonly<OidcRecordTable>;

/** Stores a record in place of the one with its model and id; what consumed it stays. */
export async function putOidcRecord(
  db: Kysely<Database>,
  record: Omit<OidcRecord, 'consumedAt'>,
): Promise<void> {
  await db
    .insertInto('oidcRecord')
    .values({ ...record, consumedAt: null })
    .onConflict(conflict => conflict.columns(['model', 'id']).doUpdateSet(record))
    .execute();
}

export async function findOidcRecord(
  db: Kysely<Database>,
  model: string,
  by: { readonly id: string } | { readonly uid: string } | { readonly userCode: string },
): Promise<OidcRecord | undefined> {
  const [column, value] = Object.entries(by)[0] as ['id' | 'uid' | 'userCode', string];
  return await db
    .selectFrom('oidcRecord')
    .selectAll()
    .where('model', '=', model)
    .where(column, '=', value)
    .executeTakeFirst();
}

/** Marks a record as used. False where it had been used already, or is gone: of several callers, one gets true. */
export async function consumeOidcRecord(
  db: Kysely<Database>,
  model: string,
  id: string,
  now: number,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('oidcRecord')
    .set({ consumedAt: now })
    .where('model', '=', model)
    .where('id', '=', id)
    .where('consumedAt', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export async function deleteOidcRecord(db: Kysely<Database>, model: string, id: string): Promise<void> {
  await db.deleteFrom('oidcRecord').where('model', '=', model).where('id', '=', id).execute();
}

/** Deletes the records of a grant, of one model or of all. */
export async function deleteOidcRecordsOfGrant(
  db: Kysely<Database>,
  grantId: string,
  model?: string,
): Promise<void> {
  let query = db.deleteFrom('oidcRecord').where('grantId', '=', grantId);
  if (model !== undefined) query = query.where('model', '=', model);
  await query.execute();
}

/** Deletes everything that an account holds: login sessions, grants, codes and tokens. */
export async function deleteOidcRecordsOfAccount(db: Kysely<Database>, userId: string): Promise<void> {
  await db
    .deleteFrom('oidcRecord')
    .where(sql`json_extract(payloadJson, '$.accountId')`, '=', userId)
    .execute();
}

export async function deleteExpiredOidcRecords(db: Kysely<Database>, now: number): Promise<void> {
  await db.deleteFrom('oidcRecord').where('expiresAt', '<', now).execute();
}
