import { type RoleName, roleName } from '@postern/protocol/admin/directory';
import type { Kysely } from 'kysely';
import { endTimingsOfUser } from '../store/edge-sessions.ts';
import * as store from '../store/roles.ts';
import type { Database } from '../store/schema.ts';
import { findUser } from '../store/users.ts';
import type { Directory } from './directory.ts';
import { DirectoryError, notFound } from './directory-error.ts';

const globalAdministrator: RoleName = 'Global Administrator';

/** Roles of a person. */
export async function rolesOf(db: Kysely<Database>, userId: string): Promise<RoleName[]> {
  return roleName.array().parse(await store.rolesOf(db, userId));
}

/** @throws DirectoryError `not_found`, `conflict` if the user has the role. */
export async function assignRole(directory: Directory, userId: string, role: RoleName): Promise<void> {
  await directory.change(async db => {
    const user = await findUser(db, userId);
    if (user === null) throw notFound('user', userId);
    if (await store.insertRole(db, userId, role)) return;
    throw new DirectoryError('conflict', `${user.userPrincipalName} is ${role} already.`);
  });
}

/**
 * Takes a role away. Timings, which are for whoever holds one, end with the last.
 *
 * @throws DirectoryError `not_found` if the user does not have the role, `last_administrator`.
 */
export async function removeRole(directory: Directory, userId: string, role: RoleName): Promise<void> {
  await directory.change(async (db, touched) => {
    if (role === globalAdministrator) await keepAnAdministrator(db, userId);
    if (!(await store.deleteRole(db, userId, role))) {
      throw new DirectoryError('not_found', `This user is not ${role}.`);
    }
    const remaining = await store.rolesOf(db, userId);
    if (remaining.length === 0) touched.addAll('sessions', await endTimingsOfUser(db, userId));
  });
}

/**
 * Makes sure that an enabled Global Administrator remains without one user, inside the transaction that takes that user
 * away; changes run one after the other, so that two administrators cannot remove each other at the same moment.
 *
 * @throws DirectoryError `last_administrator`
 */
export async function keepAnAdministrator(db: Kysely<Database>, withoutUserId: string): Promise<void> {
  const administrators = await store.listUsersWithRole(db, globalAdministrator);
  if (!administrators.some(user => user.id === withoutUserId)) return;
  if (administrators.some(user => user.id !== withoutUserId && user.accountEnabled === 1)) return;
  throw new DirectoryError(
    'last_administrator',
    'This is the last enabled Global Administrator. Give the role to somebody else first.',
  );
}
