import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import * as store from '../store/assignments.ts';
import { findGroup } from '../store/groups.ts';
import type { Database } from '../store/schema.ts';
import { findUser } from '../store/users.ts';
import { requireApplication } from './applications.ts';
import type { Directory } from './directory.ts';
import { DirectoryError, notFound } from './directory-error.ts';

/** Whom an assignment is for, as it is shown. */
export interface Principal {
  readonly id: string;
  readonly type: 'User' | 'Group';
  readonly displayName: string;
}

/**
 * Lets a user, or every member of a group, use an application.
 *
 * @param servicePrincipalId Of the application.
 * @throws DirectoryError `not_found`, `conflict` if it is assigned already.
 */
export async function assign(
  directory: Directory,
  servicePrincipalId: string,
  principalId: string,
): Promise<store.AssignmentRow> {
  return directory.change(async (db, touched) => {
    const application = await requireApplication(db, servicePrincipalId, 'servicePrincipalId');
    const principal = await findPrincipal(db, principalId);
    if (principal === null) throw notFound('user or group', principalId);
    const assignment: store.AssignmentRow = {
      id: randomUUID(),
      resourceId: servicePrincipalId,
      principalId,
      principalType: principal.type,
      createdAt: directory.now(),
    };
    if (!(await store.insertAssignment(db, assignment))) {
      throw new DirectoryError(
        'conflict',
        `${application.displayName} is assigned to ${principal.displayName} already.`,
      );
    }
    touched.add('applications', application.id);
    return assignment;
  });
}

/**
 * Takes an assignment away; exchanges that only it allowed are ended.
 *
 * @param servicePrincipalId Of the application that the caller names; an assignment of another one is not found.
 * @returns The assignment that there was.
 * @throws DirectoryError `not_found`
 */
export async function unassign(
  directory: Directory,
  servicePrincipalId: string,
  assignmentId: string,
): Promise<store.AssignmentRow> {
  return directory.change(async (db, touched) => {
    const application = await requireApplication(db, servicePrincipalId, 'servicePrincipalId');
    const assignment = await store.findAssignment(db, assignmentId);
    if (assignment?.resourceId !== servicePrincipalId) throw notFound('assignment', assignmentId);
    await store.deleteAssignment(db, assignmentId);
    touched.add('applications', application.id);
    return assignment;
  });
}

/** A user or a group by id; null where there is neither. */
export async function findPrincipal(db: Kysely<Database>, id: string): Promise<Principal | null> {
  const user = await findUser(db, id);
  if (user !== null) return { id, type: 'User', displayName: user.displayName };
  const group = await findGroup(db, id);
  return group === null ? null : { id, type: 'Group', displayName: group.displayName };
}
