import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { controlHosts, originOf } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { normalizeSignInName } from '../sign-in/sign-in-name.ts';
import { putInvitation } from '../store/invitations.ts';
import { insertRole, listUsersWithRole } from '../store/roles.ts';
import type { Database } from '../store/schema.ts';
import { findUserBySignInName, insertUser, type UserRow, updateUser } from '../store/users.ts';
import { OperateError } from './operate-error.ts';

/** A link that lets one person choose a password, once. */
export interface SetUpLink {
  readonly url: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

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

/** Makes a single-use link for a person; the ones that were made before and not used stop working. */
export async function createSetUpLink(
  db: Kysely<Database>,
  config: Config,
  user: Pick<UserRow, 'id'>,
  purpose: 'setup' | 'recover',
  now: number,
): Promise<SetUpLink> {
  const secret = randomBytes(32).toString('base64url');
  const expiresAt = now + config.signIn.invitationLifetimeMs;
  await putInvitation(db, {
    secretHash: createHash('sha256').update(secret).digest('base64url'),
    userId: user.id,
    purpose,
    createdAt: now,
    expiresAt,
    usedAt: null,
  });
  return { url: `${originOf(config, controlHosts(config).login)}/set-up?secret=${secret}`, expiresAt };
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
    link: await createSetUpLink(db, config, recovered, 'recover', now),
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
