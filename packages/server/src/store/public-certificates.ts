import type { Kysely } from 'kysely';
import { forIds } from './id-batches.ts';
import type { Database, PublicCertificateTable } from './schema.ts';

export type PublicCertificateRow = Readonly<PublicCertificateTable>;

export async function insertPublicCertificate(
  db: Kysely<Database>,
  certificate: PublicCertificateRow,
): Promise<void> {
  await db.insertInto('publicCertificate').values(certificate).execute();
}

export async function findPublicCertificate(
  db: Kysely<Database>,
  id: string,
  key: 'id' | 'sha256' = 'id',
): Promise<PublicCertificateRow | null> {
  return (
    (await db.selectFrom('publicCertificate').selectAll().where(key, '=', id).executeTakeFirst()) ?? null
  );
}

export function readPublicCertificates(
  db: Kysely<Database>,
  ids: readonly string[],
): Promise<PublicCertificateRow[]> {
  return forIds(ids, batch =>
    db.selectFrom('publicCertificate').selectAll().where('id', 'in', batch).execute(),
  );
}

/** Every one, the newest first. */
export function listPublicCertificates(db: Kysely<Database>): Promise<PublicCertificateRow[]> {
  return db.selectFrom('publicCertificate').selectAll().orderBy('createdAt', 'desc').orderBy('id').execute();
}

export async function deletePublicCertificate(db: Kysely<Database>, id: string): Promise<void> {
  await db.deleteFrom('publicCertificate').where('id', '=', id).execute();
}
