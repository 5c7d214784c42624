import type { Kysely } from 'kysely';
import type { CustomDomainTable, Database } from './schema.ts';

export type CustomDomainRow = Readonly<CustomDomainTable>;

export async function insertCustomDomain(db: Kysely<Database>, domain: CustomDomainRow): Promise<void> {
  await db.insertInto('customDomain').values(domain).execute();
}

export async function findCustomDomain(db: Kysely<Database>, name: string): Promise<CustomDomainRow | null> {
  return (
    (await db.selectFrom('customDomain').selectAll().where('name', '=', name).executeTakeFirst()) ?? null
  );
}

/** Every one, by name. */
export function listCustomDomains(db: Kysely<Database>): Promise<CustomDomainRow[]> {
  return db.selectFrom('customDomain').selectAll().orderBy('name').execute();
}

export async function updateCustomDomain(
  db: Kysely<Database>,
  name: string,
  change: Partial<Pick<CustomDomainRow, 'automaticCertificates' | 'verifiedAt' | 'verifiedBy'>>,
): Promise<CustomDomainRow> {
  return db
    .updateTable('customDomain')
    .set(change)
    .where('name', '=', name)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function deleteCustomDomain(db: Kysely<Database>, name: string): Promise<void> {
  await db.deleteFrom('customDomain').where('name', '=', name).execute();
}
