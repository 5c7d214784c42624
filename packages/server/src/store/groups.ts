import type { Insertable, Kysely, Selectable, Updateable } from 'kysely';
import { forIds } from './id-batches.ts';
import { type ListOptions, pageOf } from './list-page.ts';
import type { Database, UserGroupTable } from './schema.ts';
import type { UserRow } from './users.ts';

export type GroupRow = Selectable<UserGroupTable>;
export type GroupProperty = 'id' | 'displayName' | 'description';

export async function findGroup(db: Kysely<Database>, id: string): Promise<GroupRow | null> {
  return (await db.selectFrom('userGroup').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** Sorted by `displayName`. */
export function listGroups(db: Kysely<Database>, options: ListOptions<GroupProperty>): Promise<GroupRow[]> {
  return pageOf(db.selectFrom('userGroup').selectAll(), 'displayName', options).execute();
}

export async function insertGroup(
  db: Kysely<Database>,
  group: Insertable<UserGroupTable>,
): Promise<GroupRow> {
  return db.insertInto('userGroup').values(group).returningAll().executeTakeFirstOrThrow();
}

/** Changes a group and counts its version up. */
export async function updateGroup(
  db: Kysely<Database>,
  id: string,
  change: Omit<Updateable<UserGroupTable>, 'id' | 'version'>,
): Promise<GroupRow> {
  return db
    .updateTable('userGroup')
    .set(change)
    .set(eb => ({ version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Deletes a group with its memberships; not its assignments. */
export async function deleteGroup(db: Kysely<Database>, id: string): Promise<void> {
  await db.deleteFrom('userGroup').where('id', '=', id).execute();
}

/** @returns false if the user was a member already. */
export async function insertMember(db: Kysely<Database>, groupId: string, userId: string): Promise<boolean> {
  const result = await db
    .insertInto('userGroupMember')
    .values({ groupId, userId })
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** @returns false if the user was no member. */
export async function deleteMember(db: Kysely<Database>, groupId: string, userId: string): Promise<boolean> {
  const result = await db
    .deleteFrom('userGroupMember')
    .where('groupId', '=', groupId)
    .where('userId', '=', userId)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}

export async function memberIdsOf(db: Kysely<Database>, groupId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('userGroupMember')
    .select('userId')
    .where('groupId', '=', groupId)
    .execute();
  return rows.map(row => row.userId);
}

/** Sorted by the members' `signInName`. */
export function listMembers(
  db: Kysely<Database>,
  groupId: string,
  options: Omit<ListOptions<never>, 'filter'>,
): Promise<UserRow[]> {
  const members = db
    .selectFrom('user')
    .selectAll()
    .where('id', 'in', query =>
      query.selectFrom('userGroupMember').select('userId').where('groupId', '=', groupId),
    );
  return pageOf(members, 'signInName', options).execute();
}

/** Sorted by `displayName`. */
export function listGroupsOfUser(db: Kysely<Database>, userId: string): Promise<GroupRow[]> {
  return db
    .selectFrom('userGroup')
    .selectAll()
    .where('id', 'in', query =>
      query.selectFrom('userGroupMember').select('groupId').where('userId', '=', userId),
    )
    .orderBy('displayName')
    .execute();
}

export interface Membership {
  readonly groupId: string;
  readonly userId: string;
}

export function readMemberships(db: Kysely<Database>, userIds: readonly string[]): Promise<Membership[]> {
  return forIds(userIds, batch =>
    db.selectFrom('userGroupMember').selectAll().where('userId', 'in', batch).execute(),
  );
}

export function readAllMemberships(db: Kysely<Database>): Promise<Membership[]> {
  return db.selectFrom('userGroupMember').selectAll().execute();
}
