import type { Insertable, Kysely, Selectable, Updateable } from 'kysely';
import { forIds } from './id-batches.ts';
import { type ListOptions, pageOf } from './list-page.ts';
import type { Database, UserTable } from './schema.ts';

export type UserRow = Selectable<UserTable>;
export type UserProperty = 'id' | 'userPrincipalName' | 'displayName' | 'mail';

export async function findUser(db: Kysely<Database>, id: string): Promise<UserRow | null> {
  return (await db.selectFrom('user').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** @param signInName Lower case, NFC: as `normalizeSignInName` makes it. */
export async function findUserBySignInName(
  db: Kysely<Database>,
  signInName: string,
): Promise<UserRow | null> {
  return (
    (await db.selectFrom('user').selectAll().where('signInName', '=', signInName).executeTakeFirst()) ?? null
  );
}

/** Sorted by `signInName`, which is what {@link ListOptions} `after.sortKey` means here. */
export function listUsers(db: Kysely<Database>, options: ListOptions<UserProperty>): Promise<UserRow[]> {
  return pageOf(db.selectFrom('user').selectAll(), 'signInName', options).execute();
}

export function readUsers(db: Kysely<Database>, ids: readonly string[]): Promise<UserRow[]> {
  return forIds(ids, batch => db.selectFrom('user').selectAll().where('id', 'in', batch).execute());
}

export function readAllUsers(db: Kysely<Database>): Promise<UserRow[]> {
  return db.selectFrom('user').selectAll().execute();
}

export async function insertUser(db: Kysely<Database>, user: Insertable<UserTable>): Promise<UserRow> {
  return db.insertInto('user').values(user).returningAll().executeTakeFirstOrThrow();
}

/** Changes a user and counts its version up. */
export async function updateUser(
  db: Kysely<Database>,
  id: string,
  change: Omit<Updateable<UserTable>, 'id' | 'version'>,
): Promise<UserRow> {
  return db
    .updateTable('user')
    .set(change)
    .set(eb => ({ version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Deletes a user with its memberships, roles, sessions and invitations; not its assignments. */
export async function deleteUser(db: Kysely<Database>, id: string): Promise<void> {
  await db.deleteFrom('user').where('id', '=', id).execute();
}
