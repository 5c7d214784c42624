import type { Kysely } from 'kysely';
import type { Database } from './schema.ts';

/** An account as sign-in needs it. */
export interface SignInAccount {
  readonly id: string;
  readonly userPrincipalName: string;
  readonly displayName: string;
  readonly mail: string | null;
  readonly enabled: boolean;
  readonly passwordHash: string | null;
}

/** @param signInName In its normal form. */
export async function findAccountByName(
  db: Kysely<Database>,
  signInName: string,
): Promise<SignInAccount | undefined> {
  return toAccount(await accounts(db).where('signInName', '=', signInName).executeTakeFirst());
}

export async function findAccountById(db: Kysely<Database>, id: string): Promise<SignInAccount | undefined> {
  return toAccount(await accounts(db).where('id', '=', id).executeTakeFirst());
}

/** Replaces a password, provided that it is still the one that was checked. */
export async function replacePasswordHash(
  db: Kysely<Database>,
  userId: string,
  { from, to }: { from: string; to: string },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('user')
    .set(expression => ({ passwordHash: to, version: expression('version', '+', 1) }))
    .where('id', '=', userId)
    .where('passwordHash', '=', from)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

function accounts(db: Kysely<Database>) {
  return db
    .selectFrom('user')
    .select(['id', 'userPrincipalName', 'displayName', 'mail', 'accountEnabled', 'passwordHash']);
}

function toAccount(
  row: (Omit<SignInAccount, 'enabled'> & { readonly accountEnabled: number }) | undefined,
): SignInAccount | undefined {
  if (row === undefined) return undefined;
  const { accountEnabled, ...account } = row;
  return { ...account, enabled: accountEnabled === 1 };
}
