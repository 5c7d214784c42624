import type { Insertable, Kysely, Selectable } from 'kysely';
import { forIds } from './id-batches.ts';
import type { AppRoleAssignmentTable, Database } from './schema.ts';

export type AssignmentRow = Selectable<AppRoleAssignmentTable>;

export async function findAssignment(db: Kysely<Database>, id: string): Promise<AssignmentRow | null> {
  return (
    (await db.selectFrom('appRoleAssignment').selectAll().where('id', '=', id).executeTakeFirst()) ?? null
  );
}

/** @param resourceId servicePrincipalId of the application. */
export function listAssignmentsOfResource(
  db: Kysely<Database>,
  resourceId: string,
): Promise<AssignmentRow[]> {
  return db
    .selectFrom('appRoleAssignment')
    .selectAll()
    .where('resourceId', '=', resourceId)
    .orderBy('createdAt')
    .orderBy('id')
    .execute();
}

/** @param principalId A user or a group; assignments of the groups that a user is in are not among the user's. */
export function listAssignmentsOfPrincipal(
  db: Kysely<Database>,
  principalId: string,
): Promise<AssignmentRow[]> {
  return db
    .selectFrom('appRoleAssignment')
    .selectAll()
    .where('principalId', '=', principalId)
    .orderBy('createdAt')
    .orderBy('id')
    .execute();
}

export function readAssignments(
  db: Kysely<Database>,
  resourceIds: readonly string[],
): Promise<AssignmentRow[]> {
  return forIds(resourceIds, batch =>
    db.selectFrom('appRoleAssignment').selectAll().where('resourceId', 'in', batch).execute(),
  );
}

export function readAllAssignments(db: Kysely<Database>): Promise<AssignmentRow[]> {
  return db.selectFrom('appRoleAssignment').selectAll().execute();
}

/** @returns false if the principal was assigned already. */
export async function insertAssignment(
  db: Kysely<Database>,
  assignment: Insertable<AppRoleAssignmentTable>,
): Promise<boolean> {
  const result = await db
    .insertInto('appRoleAssignment')
    .values(assignment)
    .onConflict(conflict => conflict.columns(['resourceId', 'principalId']).doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

export async function deleteAssignment(db: Kysely<Database>, id: string): Promise<void> {
  await db.deleteFrom('appRoleAssignment').where('id', '=', id).execute();
}

/** Deletes what a user or group is assigned to. Returns the ids of the applications concerned. */
export async function deleteAssignmentsOfPrincipal(
  db: Kysely<Database>,
  principalId: string,
): Promise<string[]> {
  const applications = await db
    .selectFrom('application')
    .innerJoin('appRoleAssignment', 'appRoleAssignment.resourceId', 'application.servicePrincipalId')
    .select('application.id')
    .where('appRoleAssignment.principalId', '=', principalId)
    .execute();
  await db.deleteFrom('appRoleAssignment').where('principalId', '=', principalId).execute();
  return applications.map(row => row.id);
}
