import type { Kysely } from 'kysely';
import type { AutomaticCertificateTable, Database } from './schema.ts';

export type AutomaticCertificateRow = Readonly<AutomaticCertificateTable>;

export async function findAutomaticCertificate(
  db: Kysely<Database>,
  key: string,
): Promise<AutomaticCertificateRow | null> {
  return (
    (await db.selectFrom('automaticCertificate').selectAll().where('key', '=', key).executeTakeFirst()) ??
    null
  );
}

export function listAutomaticCertificates(db: Kysely<Database>): Promise<AutomaticCertificateRow[]> {
  return db.selectFrom('automaticCertificate').selectAll().orderBy('key').execute();
}

/** Writes what holds for a key, in place of what held before. */
export async function putAutomaticCertificate(
  db: Kysely<Database>,
  row: AutomaticCertificateRow,
): Promise<void> {
  await db
    .insertInto('automaticCertificate')
    .values(row)
    .onConflict(conflict => conflict.column('key').doUpdateSet(row))
    .execute();
}

export async function deleteAutomaticCertificate(db: Kysely<Database>, key: string): Promise<void> {
  await db.deleteFrom('automaticCertificate').where('key', '=', key).execute();
}
