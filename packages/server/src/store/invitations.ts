import type { Kysely } from 'kysely';
import type { Database, InvitationTable } from './schema.ts';

export type Invitation = Readonly<InvitationTable>;

/** Stores an invitation and withdraws the unused ones that its account had: the newest link is the one that works. */
export async function putInvitation(db: Kysely<Database>, invitation: Invitation): Promise<void> {
  await db.transaction().execute(async transaction => {
    await deleteOpenInvitations(transaction, invitation.userId);
    await transaction.insertInto('invitation').values(invitation).execute();
  });
}

/** Withdraws the unused invitations of an account. */
export async function deleteOpenInvitations(db: Kysely<Database>, userId: string): Promise<void> {
  await db.deleteFrom('invitation').where('userId', '=', userId).where('usedAt', 'is', null).execute();
}

/** Gives an invitation that can be used now. */
export async function findOpenInvitation(
  db: Kysely<Database>,
  secretHash: string,
  now: number,
): Promise<Invitation | undefined> {
  return await db
    .selectFrom('invitation')
    .selectAll()
    .where('secretHash', '=', secretHash)
    .where('usedAt', 'is', null)
    .where('expiresAt', '>', now)
    .executeTakeFirst();
}

/**
 * Uses an invitation up and gives its account's id; undefined where it cannot be used any more: of several callers, one
 * gets the id.
 */
export async function consumeInvitation(
  db: Kysely<Database>,
  secretHash: string,
  now: number,
): Promise<string | undefined> {
  const used = await db
    .updateTable('invitation')
    .set({ usedAt: now })
    .where('secretHash', '=', secretHash)
    .where('usedAt', 'is', null)
    .where('expiresAt', '>', now)
    .returning('userId')
    .executeTakeFirst();
  return used?.userId;
}

export async function deleteExpiredInvitations(db: Kysely<Database>, before: number): Promise<void> {
  await db.deleteFrom('invitation').where('expiresAt', '<', before).execute();
}
