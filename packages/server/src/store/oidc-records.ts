import { hash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Database, OidcRecordTable } from './schema.ts';

export type OidcRecord = Readonly<OidcRecordTable>;

/**
 * What an ended login session or grant leaves behind, until it would have expired: a request that had read it before its end
 * may want to write what follows from it afterwards.
 */
const endedModel = 'Ended';

/** What stands in the store for an id of oidc-provider, which may be a secret. */
export function hashId(id: string): string {
  return hash('sha256', id, 'base64url');
}

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

/**
 * Stores a record that follows from a login session, unless that has ended.
 *
 * @returns whether it was stored.
 */
export async function putOidcRecordOfSession(
  db: Kysely<Database>,
  record: Omit<OidcRecord, 'consumedAt'>,
  sessionUid: string,
): Promise<boolean> {
  return await db.transaction().execute(async transaction => {
    if (await hasEnded(transaction, [sessionUid])) return false;
    await putOidcRecord(transaction, record);
    return true;
  });
}

/** Whether one of these login sessions (by uid) and grants (by id, as stored) was ended. */
export async function hasEnded(db: Kysely<Database>, ids: readonly string[]): Promise<boolean> {
  const ended = await db
    .selectFrom('oidcRecord')
    .select('id')
    .where('model', '=', endedModel)
    .where('id', 'in', ids)
    .executeTakeFirst();
  return ended !== undefined;
}

/**
 * Ends a login session: deletes it, and remembers its uid.
 *
 * @param until When it expires at the latest.
 * @returns what it was; undefined where there was none any more.
 */
export async function endOidcSession(
  db: Kysely<Database>,
  uid: string,
  until: number,
): Promise<OidcRecord | undefined> {
  return await db.transaction().execute(async transaction => {
    await markEnded(transaction, uid, until);
    return await transaction
      .deleteFrom('oidcRecord')
      .where('model', '=', 'Session')
      .where('uid', '=', uid)
      .returningAll()
      .executeTakeFirst();
  });
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

/**
 * Deletes everything that an account holds: login sessions, grants, codes, tokens, and sign-ins that are not over. In a
 * transaction.
 */
export async function deleteOidcRecordsOfAccount(db: Kysely<Database>, userId: string): Promise<void> {
  const records = await db
    .deleteFrom('oidcRecord')
    .where(sql`json_extract(payloadJson, '$.accountId')`, '=', userId)
    .returning(['model', 'id', 'uid', 'expiresAt'])
    .execute();
  for (const { model, id, uid, expiresAt } of records) {
    if (model === 'Session' && uid !== null) await markEnded(db, uid, expiresAt);
    if (model === 'Grant') await markEnded(db, id, expiresAt);
  }
}

async function markEnded(db: Kysely<Database>, id: string, until: number | null): Promise<void> {
  const nothing = { grantId: null, userCode: null, uid: null, origin: null };
  await putOidcRecord(db, { model: endedModel, id, payloadJson: '{}', ...nothing, expiresAt: until });
}

/** Deletes what waits for somebody to sign in beyond the newest ones, of one model: of an address, or of all. */
export async function keepNewestWaiting(
  db: Kysely<Database>,
  model: string,
  origin: string | null,
  most: number,
): Promise<void> {
  // SQLite takes an offset only behind a limit; -1 is none.
  let surplus = db.selectFrom('oidcRecord').select('id').where('model', '=', model);
  surplus = origin === null ? surplus.where('origin', 'is not', null) : surplus.where('origin', '=', origin);
  await db
    .deleteFrom('oidcRecord')
    .where('model', '=', model)
    .where('id', 'in', surplus.orderBy('expiresAt', 'desc').limit(-1).offset(most))
    .execute();
}

export async function deleteExpiredOidcRecords(db: Kysely<Database>, now: number): Promise<void> {
  await db.deleteFrom('oidcRecord').where('expiresAt', '<', now).execute();
}
