import type { Kysely } from 'kysely';
import { forIds } from './id-batches.ts';
import type { ApplicationCredentialTable, Database } from './schema.ts';

export type ApplicationCredentialRow = Readonly<ApplicationCredentialTable>;

/** What a program presents: a secret that it sends, or a certificate whose key it proves to have. */
export type CredentialKind = 'secret' | 'certificate';

export async function insertApplicationCredential(
  db: Kysely<Database>,
  row: ApplicationCredentialRow,
): Promise<void> {
  await db.insertInto('applicationCredential').values(row).execute();
}

/** Sorted by time of creation. */
export function listApplicationCredentials(
  db: Kysely<Database>,
  applicationId: string,
): Promise<ApplicationCredentialRow[]> {
  return db
    .selectFrom('applicationCredential')
    .selectAll()
    .where('applicationId', '=', applicationId)
    .orderBy('createdAt')
    .orderBy('id')
    .execute();
}

/** The secrets that one client may present, sorted by time of creation. */
export function listSecretsOfClient(
  db: Kysely<Database>,
  clientId: string,
): Promise<ApplicationCredentialRow[]> {
  return db
    .selectFrom('applicationCredential')
    .selectAll()
    .where('clientId', '=', clientId)
    .where('certificateSha256', 'is', null)
    .orderBy('createdAt')
    .execute();
}

export function readApplicationCredentials(
  db: Kysely<Database>,
  applicationIds: readonly string[],
): Promise<ApplicationCredentialRow[]> {
  return forIds(applicationIds, batch =>
    db.selectFrom('applicationCredential').selectAll().where('applicationId', 'in', batch).execute(),
  );
}

export function readAllApplicationCredentials(db: Kysely<Database>): Promise<ApplicationCredentialRow[]> {
  return db.selectFrom('applicationCredential').selectAll().execute();
}

/** @returns whether there was one of this kind. */
export async function deleteApplicationCredential(
  db: Kysely<Database>,
  applicationId: string,
  id: string,
  kind: CredentialKind,
): Promise<boolean> {
  const result = await db
    .deleteFrom('applicationCredential')
    .where('id', '=', id)
    .where('applicationId', '=', applicationId)
    .where('certificateSha256', kind === 'secret' ? 'is' : 'is not', null)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}

/** @param usedAt Milliseconds since the epoch. */
export async function markApplicationCredentialUsed(
  db: Kysely<Database>,
  id: string,
  usedAt: number,
): Promise<void> {
  await db
    .updateTable('applicationCredential')
    .set({ lastUsedAt: usedAt })
    .where('id', '=', id)
    .where(eb => eb.or([eb('lastUsedAt', 'is', null), eb('lastUsedAt', '<', usedAt)]))
    .execute();
}
