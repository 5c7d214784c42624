import type { Kysely } from 'kysely';
import type { Database } from './schema.ts';
import type { UserRow } from './users.ts';

/** Roles of a user, sorted by name. */
export async function rolesOf(db: Kysely<Database>, userId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('roleAssignment')
    .select('role')
    .where('userId', '=', userId)
    .orderBy('role')
    .execute();
  return rows.map(row => row.role);
}

/** Users with a role, sorted by name. */
export function listUsersWithRole(db: Kysely<Database>, role: string): Promise<UserRow[]> {
  return db
    .selectFrom('user')
    .innerJoin('roleAssignment', 'roleAssignment.userId', 'user.id')
    .selectAll('user')
    .where('roleAssignment.role', '=', role)
    .orderBy('user.signInName')
    .execute();
}

/** @returns false if the user had the role already. */
export async function insertRole(db: Kysely<Database>, userId: string, role: string): Promise<boolean> {
  const result = await db
    .insertInto('roleAssignment')
    .values({ userId, role })
    .onConflict(conflict => conflict.doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** @returns false if the user did not have the role. */
export async function deleteRole(db: Kysely<Database>, userId: string, role: string): Promise<boolean> {
  const result = await db
    .deleteFrom('roleAssignment')
    .where('userId', '=', userId)
    .where('role', '=', role)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}
