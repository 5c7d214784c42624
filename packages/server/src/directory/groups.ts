import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { deleteAssignmentsOfPrincipal } from '../store/assignments.ts';
import * as store from '../store/groups.ts';
import type { Database } from '../store/schema.ts';
import type { Directory } from './directory.ts';
import { checkVersion, DirectoryError, notFound } from './directory-error.ts';
import { requireUser } from './users.ts';

export interface GroupInput {
  readonly displayName: string;
  readonly description?: string | null;
}

export async function createGroup(directory: Directory, input: GroupInput): Promise<store.GroupRow> {
  return directory.change(db =>
    store.insertGroup(db, {
      id: randomUUID(),
      displayName: input.displayName,
      description: input.description ?? null,
      createdAt: directory.now(),
    }),
  );
}

/** @throws DirectoryError `not_found`, `precondition_failed`. */
export async function updateGroup(
  directory: Directory,
  id: string,
  update: Partial<GroupInput>,
  expectedVersion?: number,
): Promise<store.GroupRow> {
  return directory.change(async db => {
    checkVersion(await requireGroup(db, id), expectedVersion);
    return store.updateGroup(db, id, {
      ...(update.displayName === undefined ? {} : { displayName: update.displayName }),
      ...(update.description === undefined ? {} : { description: update.description }),
    });
  });
}

/**
 * Deletes a group; its members lose what was assigned to it.
 *
 * @throws DirectoryError `not_found`, `precondition_failed`.
 */
export async function deleteGroup(directory: Directory, id: string, expectedVersion?: number): Promise<void> {
  await directory.change(async (db, touched) => {
    checkVersion(await requireGroup(db, id), expectedVersion);
    touched.addAll('users', await store.memberIdsOf(db, id));
    touched.addAll('applications', await deleteAssignmentsOfPrincipal(db, id));
    await store.deleteGroup(db, id);
  });
}

/** @throws DirectoryError `not_found`, `conflict` if the user is a member. */
export async function addMember(directory: Directory, groupId: string, userId: string): Promise<void> {
  await directory.change(async (db, touched) => {
    const group = await requireGroup(db, groupId);
    const user = await requireUser(db, userId);
    if (!(await store.insertMember(db, groupId, userId))) {
      throw new DirectoryError(
        'conflict',
        `${user.userPrincipalName} is a member of ${group.displayName} already.`,
      );
    }
    touched.add('users', userId);
  });
}

/** @throws DirectoryError `not_found` */
export async function removeMember(directory: Directory, groupId: string, userId: string): Promise<void> {
  await directory.change(async (db, touched) => {
    const group = await requireGroup(db, groupId);
    if (!(await store.deleteMember(db, groupId, userId))) {
      throw new DirectoryError('not_found', `This user is no member of ${group.displayName}.`);
    }
    touched.add('users', userId);
  });
}

/** @throws DirectoryError `not_found` */
export async function requireGroup(db: Kysely<Database>, id: string): Promise<store.GroupRow> {
  const group = await store.findGroup(db, id);
  if (group === null) throw notFound('group', id);
  return group;
}
