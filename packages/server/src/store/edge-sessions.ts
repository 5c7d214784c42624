import type { Insertable, Kysely, Selectable } from 'kysely';
import { forIds } from './id-batches.ts';
import type { Database, EdgeSessionTable } from './schema.ts';

/**
 * A session that has expired lets nobody in, but is known for so much longer: a WebSocket that it opened goes on, and has to
 * end when the person signs out or the account is switched off.
 */
const rememberedMs = 24 * 3_600_000;

export type EdgeSessionRow = Selectable<EdgeSessionTable>;

export async function insertEdgeSession(
  db: Kysely<Database>,
  session: Insertable<EdgeSessionTable>,
): Promise<void> {
  await db.insertInto('edgeSession').values(session).execute();
}

/** @param idHash base64url SHA-256 of the cookie's value. */
export async function findEdgeSession(
  db: Kysely<Database>,
  idHash: string,
  host: string,
): Promise<EdgeSessionRow | null> {
  return (
    (await db
      .selectFrom('edgeSession')
      .selectAll()
      .where('idHash', '=', idHash)
      .where('host', '=', host)
      .executeTakeFirst()) ?? null
  );
}

/** One of a person at a host, from one login, that lasts until then at least. @param until Milliseconds since the epoch. */
export function findEdgeSessionOfLogin(
  db: Kysely<Database>,
  { host, userId, loginSessionUid }: Pick<EdgeSessionRow, 'host' | 'userId'> & { loginSessionUid: string },
  until: number,
): Promise<EdgeSessionRow | undefined> {
  return db
    .selectFrom('edgeSession')
    .selectAll()
    .where('userId', '=', userId)
    .where('host', '=', host)
    .where('loginSessionUid', '=', loginSessionUid)
    .where('expiresAt', '>=', until)
    .executeTakeFirst();
}

/** @param until Milliseconds since the epoch; null: not at all. */
export async function setTimingUntil(db: Kysely<Database>, id: string, until: number | null): Promise<void> {
  await db.updateTable('edgeSession').set({ timingUntil: until }).where('id', '=', id).execute();
}

/** Returns the ids of the sessions whose answers said it. */
export async function endTimingsOfUser(db: Kysely<Database>, userId: string): Promise<string[]> {
  const rows = await db
    .updateTable('edgeSession')
    .set({ timingUntil: null })
    .where('userId', '=', userId)
    .where('timingUntil', 'is not', null)
    .returning('id')
    .execute();
  return rows.map(row => row.id);
}

export function readEdgeSessions(db: Kysely<Database>, ids: readonly string[]): Promise<EdgeSessionRow[]> {
  return forIds(ids, batch => db.selectFrom('edgeSession').selectAll().where('id', 'in', batch).execute());
}

/** Those that relays know, expired ones with open exchanges included. @param now Milliseconds since the epoch. */
export function readRememberedEdgeSessions(db: Kysely<Database>, now: number): Promise<EdgeSessionRow[]> {
  return db
    .selectFrom('edgeSession')
    .selectAll()
    .where('expiresAt', '>', now - rememberedMs)
    .execute();
}

/** Those that have not expired, sorted by time of creation. @param now Milliseconds since the epoch. */
export function listEdgeSessionsOfUser(
  db: Kysely<Database>,
  userId: string,
  now: number = Date.now(),
): Promise<EdgeSessionRow[]> {
  return db
    .selectFrom('edgeSession')
    .selectAll()
    .where('userId', '=', userId)
    .where('expiresAt', '>', now)
    .orderBy('createdAt')
    .execute();
}

/** Deletes the sessions that a column says; returns their ids. */
export async function deleteEdgeSessions(
  db: Kysely<Database>,
  column: 'id' | 'userId' | 'loginSessionUid',
  value: string,
): Promise<string[]> {
  const rows = await db.deleteFrom('edgeSession').where(column, '=', value).returning('id').execute();
  return rows.map(row => row.id);
}

/** Deletes sessions that expired a day before a time, or earlier; returns their ids. */
export async function deleteExpiredEdgeSessions(db: Kysely<Database>, now: number): Promise<string[]> {
  const rows = await db
    .deleteFrom('edgeSession')
    .where('expiresAt', '<=', now - rememberedMs)
    .returning('id')
    .execute();
  return rows.map(row => row.id);
}
