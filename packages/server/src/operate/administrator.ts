import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Config } from '../config/schema.ts';
import { createInvitation } from '../sign-in/invitations.ts';
import { normalizeSignInName } from '../sign-in/sign-in-name.ts';
import { insertRole, listUsersWithRole } from '../store/roles.ts';
import type { Database } from '../store/schema.ts';
import { findUserBySignInName, insertUser, type UserRow, updateUser } from '../store/users.ts';
import { OperateError } from './operate-error.ts';

/** A link that lets one person choose a password, once. */
export type SetUpLink = Awaited<ReturnType<typeof createInvitation>>;

const administratorRole = 'Global Administrator';

/** Creates an account without a password that holds the role Global Administrator. */
export async function createAdministrator(db: Kysely<Database>, name: string, now: number): Promise<UserRow> {
  const userPrincipalName = name.trim().normalize('NFC');
  return db.transaction().execute(async transaction => {
    const user = await insertUser(transaction, {
      id: randomUUID(),
      userPrincipalName,
      signInName: normalizeSignInName(userPrincipalName),
      displayName: 'Administrator',
      mail: null,
      accountEnabled: 1,
      passwordHash: null,
      createdAt: now,
    });
    await insertRole(transaction, user.id, administratorRole);
    return user;
  });
}

/** What {@link recoverAdministrator} had to change beside making a link. */
export interface Recovery {
  readonly user: UserRow;
  readonly link: SetUpLink;
  /** The account was disabled, without the role, or did not exist: a running service learns that at its next start. */
  readonly needsRestart: boolean;
}

/**
 * The way back in for whoever holds the machine: gives an administrator a new link, and the account its role back.
 *
 * @param name Account to recover; may be left out where there is exactly one Global Administrator.
 * @throws OperateError `usage` where the name must be given or is unknown.
 */
export async function recoverAdministrator(
  db: Kysely<Database>,
  config: Config,
  name: string | undefined,
  now: number,
): Promise<Recovery> {
  const user = name === undefined ? await onlyAdministrator(db) : await accountNamed(db, name);
  const { recovered, changed } = await db.transaction().execute(async transaction => {
    const roleGiven = await insertRole(transaction, user.id, administratorRole);
    const enabled = user.accountEnabled === 1;
    return {
      recovered: enabled ? user : await updateUser(transaction, user.id, { accountEnabled: 1 }),
      changed: roleGiven || !enabled,
    };
  });
  return {
    user: recovered,
    link: await createInvitation({ db, config }, { userId: recovered.id, purpose: 'recover', now }),
    needsRestart: changed,
  };
}

async function onlyAdministrator(db: Kysely<Database>): Promise<UserRow> {
  const administrators = await listUsersWithRole(db, administratorRole);
  if (administrators.length === 1) return administrators[0];
  const names = administrators.map(user => user.userPrincipalName).join(', ');
  throw new OperateError(
    'usage',
    administrators.length === 0
      ? 'There is no Global Administrator.'
      : `There are ${administrators.length} Global Administrators: ${names}.`,
    { remedy: 'Name the account with --user NAME.' },
  );
}

async function accountNamed(db: Kysely<Database>, name: string): Promise<UserRow> {
  const user = await findUserBySignInName(db, normalizeSignInName(name));
  if (user) return user;
  throw new OperateError('usage', `There is no account ${name}.`, {
    remedy: 'Check the name; without --user the only Global Administrator is taken.',
  });
}
