import { hash, randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { controlHosts, originOf } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import type { Directory } from '../directory/directory.ts';
import { changePassword } from '../directory/users.ts';
import { consumeInvitation, putInvitation } from '../store/invitations.ts';
import type { Database } from '../store/schema.ts';
import type { InvitationPurpose } from './password-pages.ts';

/**
 * Makes a link with which a person chooses a password, once. Links that the person had before stop working. The secret
 * in it is stored nowhere.
 */
export async function createInvitation(
  { db, config }: { readonly db: Kysely<Database>; readonly config: Config },
  {
    userId,
    purpose,
    now,
  }: { readonly userId: string; readonly purpose: InvitationPurpose; readonly now: number },
): Promise<{ readonly url: string; readonly expiresAt: number }> {
  const secret = randomBytes(32).toString('base64url');
  const expiresAt = now + config.signIn.invitationLifetimeMs;
  await putInvitation(db, {
    secretHash: hashInvitationSecret(secret),
    userId,
    purpose,
    createdAt: now,
    expiresAt,
    usedAt: null,
  });
  // In the query, which no log holds.
  return { url: `${originOf(config, controlHosts(config).login)}${setUpPath}?secret=${secret}`, expiresAt };
}

/** The page of the login host that an invitation leads to. */
export const setUpPath = '/set-up';

/**
 * Uses an invitation up and sets its account's password, both or neither; every sign-in of the account ends. False
 * where it cannot be used any more: of several callers, one gets true.
 */
export async function redeemInvitation(
  directory: Directory,
  { secretHash, passwordHash }: { readonly secretHash: string; readonly passwordHash: string },
): Promise<boolean> {
  return await directory.change(async (db, touched) => {
    const userId = await consumeInvitation(db, secretHash, directory.now());
    if (userId === undefined) return false;
    await changePassword(db, touched, userId, passwordHash);
    return true;
  });
}

export function hashInvitationSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}
