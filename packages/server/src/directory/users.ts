import { randomUUID } from 'node:crypto';
import { userPrincipalName as userPrincipalNameShape } from '@postern/protocol/admin/directory';
import type { Kysely } from 'kysely';
import { normalizeSignInName } from '../sign-in/sign-in-name.ts';
import { deleteAssignmentsOfPrincipal } from '../store/assignments.ts';
import { deleteEdgeSessions } from '../store/edge-sessions.ts';
import { deleteOpenInvitations } from '../store/invitations.ts';
import { deleteOidcRecordsOfAccount } from '../store/oidc-records.ts';
import type { Database } from '../store/schema.ts';
import * as store from '../store/users.ts';
import type { Directory } from './directory.ts';
import { checkVersion, DirectoryError, invalid, notFound } from './directory-error.ts';
import type { Touched } from './records.ts';
import { keepAnAdministrator } from './roles.ts';

export interface UserInput {
  readonly userPrincipalName: string;
  readonly displayName: string;
  readonly mail?: string | null;
  readonly accountEnabled?: boolean;
}

/**
 * Creates a user without a password; an invitation lets the person choose one.
 *
 * @throws DirectoryError `invalid`, `conflict` if the name is taken.
 */
export async function createUser(directory: Directory, input: UserInput): Promise<store.UserRow> {
  return directory.change(async (db, touched) => {
    const user = await store.insertUser(db, {
      id: randomUUID(),
      ...(await checkName(db, input.userPrincipalName, null)),
      displayName: checkDisplayName(input.displayName),
      mail: input.mail ?? null,
      accountEnabled: input.accountEnabled === false ? 0 : 1,
      passwordHash: null,
      createdAt: directory.now(),
    });
    touched.add('users', user.id);
    return user;
  });
}

/**
 * Changes what is given. Disabling a user ends its sessions everywhere.
 *
 * @throws DirectoryError `not_found`, `precondition_failed`, `invalid`, `conflict`, `last_administrator`.
 */
export async function updateUser(
  directory: Directory,
  id: string,
  update: Partial<UserInput>,
  expectedVersion?: number,
): Promise<store.UserRow> {
  return directory.change(async (db, touched) => {
    const before = await requireUser(db, id);
    checkVersion(before, expectedVersion);
    const user = await store.updateUser(db, id, {
      ...(update.userPrincipalName === undefined ? {} : await checkName(db, update.userPrincipalName, id)),
      ...(update.displayName === undefined ? {} : { displayName: checkDisplayName(update.displayName) }),
      ...(update.mail === undefined ? {} : { mail: update.mail }),
      ...(update.accountEnabled === undefined ? {} : { accountEnabled: update.accountEnabled ? 1 : 0 }),
    });
    touched.add('users', id);
    if (before.accountEnabled === 1 && user.accountEnabled === 0) {
      await keepAnAdministrator(db, id);
      await endSignIns(db, touched, id);
    }
    return user;
  });
}

/**
 * Sets the hash of a new password (PHC string), which ends every session of the person and the links with which another one
 * could be chosen, or takes the password away.
 *
 * @param expectedHash Of the password that it is to take the place of; absent: of any.
 * @throws DirectoryError `not_found`, `precondition_failed` where the password is another one by now.
 */
export async function setPasswordHash(
  directory: Directory,
  id: string,
  passwordHash: string | null,
  expectedHash?: string | null,
): Promise<void> {
  await directory.change(async (db, touched) => {
    const user = await requireUser(db, id);
    if (expectedHash !== undefined && user.passwordHash !== expectedHash) {
      throw new DirectoryError('precondition_failed', 'The password was changed in the meantime.');
    }
    await changePassword(db, touched, id, passwordHash);
  });
}

/** The same within a transaction. */
export async function changePassword(
  db: Kysely<Database>,
  touched: Touched,
  id: string,
  passwordHash: string | null,
): Promise<void> {
  await store.updateUser(db, id, { passwordHash });
  await deleteOpenInvitations(db, id);
  await endSignIns(db, touched, id);
}

/**
 * Deletes a user with memberships, roles, assignments, sessions and invitations.
 *
 * @throws DirectoryError `not_found`, `precondition_failed`, `last_administrator`.
 */
export async function deleteUser(directory: Directory, id: string, expectedVersion?: number): Promise<void> {
  await directory.change(async (db, touched) => {
    checkVersion(await requireUser(db, id), expectedVersion);
    await keepAnAdministrator(db, id);
    await endSignIns(db, touched, id);
    touched.addAll('applications', await deleteAssignmentsOfPrincipal(db, id));
    await store.deleteUser(db, id);
    touched.add('users', id);
  });
}

/** @throws DirectoryError `not_found` */
export async function requireUser(db: Kysely<Database>, id: string): Promise<store.UserRow> {
  const user = await store.findUser(db, id);
  if (user === null) throw notFound('user', id);
  return user;
}

/** Ends a person's sessions at applications, the login session, and every token. */
async function endSignIns(db: Kysely<Database>, touched: Touched, id: string): Promise<void> {
  touched.addAll('sessions', await deleteEdgeSessions(db, 'userId', id));
  await deleteOidcRecordsOfAccount(db, id);
}

async function checkName(
  db: Kysely<Database>,
  text: string,
  ownId: string | null,
): Promise<{ userPrincipalName: string; signInName: string }> {
  const parsed = userPrincipalNameShape.safeParse(text.normalize('NFC'));
  if (!parsed.success) {
    throw invalid('userPrincipalName', `The user principal name ${parsed.error.issues[0].message}.`);
  }
  const signInName = normalizeSignInName(parsed.data);
  const taken = await store.findUserBySignInName(db, signInName);
  if (taken !== null && taken.id !== ownId) {
    throw new DirectoryError('conflict', `There is a user ${taken.userPrincipalName} already.`, {
      property: 'userPrincipalName',
    });
  }
  return { userPrincipalName: parsed.data, signInName };
}

function checkDisplayName(text: string): string {
  const name = text.trim();
  if (name !== '') return name;
  throw invalid('displayName', 'The display name must not be empty.');
}
