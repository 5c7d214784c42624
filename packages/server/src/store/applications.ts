import { type Insertable, type Kysely, type Selectable, sql, type Updateable } from 'kysely';
import { forIds } from './id-batches.ts';
import { type ListOptions, pageOf } from './list-page.ts';
import type { ApplicationTable, Database } from './schema.ts';

export type ApplicationRow = Selectable<ApplicationTable>;
export type ApplicationProperty = 'id' | 'appId' | 'servicePrincipalId' | 'displayName' | 'externalUrl';

/** @param key Which of an application's three ids is given. */
export async function findApplication(
  db: Kysely<Database>,
  id: string,
  key: 'id' | 'appId' | 'servicePrincipalId' = 'id',
): Promise<ApplicationRow | null> {
  return (await db.selectFrom('application').selectAll().where(key, '=', id).executeTakeFirst()) ?? null;
}

/**
 * Those with an external URL, upper and lower case being the same: at most a few.
 *
 * @param externalUrl As stored: lower-case host, without the service's public port.
 */
export async function findApplicationsByExternalUrl(
  db: Kysely<Database>,
  externalUrl: string,
): Promise<ApplicationRow[]> {
  const { origin } = new URL(externalUrl);
  const ofHost = await db
    .selectFrom('application')
    .selectAll()
    // A range, so that the unique index is used. `0` follows `/` in ASCII.
    .where('externalUrl', '>=', `${origin}/`)
    .where('externalUrl', '<', `${origin}0`)
    .execute();
  return ofHost.filter(row => row.externalUrl?.toLowerCase() === externalUrl.toLowerCase());
}

/** Those whose publishing has a property that is neither absent nor null. */
export function findPublishedWith(db: Kysely<Database>, property: 'alternateUrl'): Promise<ApplicationRow[]> {
  return db
    .selectFrom('application')
    .selectAll()
    .where(sql<boolean>`json_extract(publishingJson, ${`$.${property}`}) is not null`)
    .execute();
}

/** Sorted by `displayName`. */
export function listApplications(
  db: Kysely<Database>,
  options: ListOptions<ApplicationProperty>,
): Promise<ApplicationRow[]> {
  return pageOf(db.selectFrom('application').selectAll(), 'displayName', options).execute();
}

export function listApplicationsOfConnectorGroup(
  db: Kysely<Database>,
  connectorGroupId: string,
): Promise<ApplicationRow[]> {
  return db
    .selectFrom('application')
    .selectAll()
    .where('connectorGroupId', '=', connectorGroupId)
    .orderBy('displayName')
    .execute();
}

export function readApplications(db: Kysely<Database>, ids: readonly string[]): Promise<ApplicationRow[]> {
  return forIds(ids, batch => db.selectFrom('application').selectAll().where('id', 'in', batch).execute());
}

export function readAllApplications(db: Kysely<Database>): Promise<ApplicationRow[]> {
  return db.selectFrom('application').selectAll().execute();
}

export async function insertApplication(
  db: Kysely<Database>,
  application: Insertable<ApplicationTable>,
): Promise<ApplicationRow> {
  return db.insertInto('application').values(application).returningAll().executeTakeFirstOrThrow();
}

/** Changes an application and counts its version up. */
export async function updateApplication(
  db: Kysely<Database>,
  id: string,
  change: Omit<Updateable<ApplicationTable>, 'id' | 'version'>,
): Promise<ApplicationRow> {
  return db
    .updateTable('application')
    .set(change)
    .set(eb => ({ version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Deletes an application with its assignments. */
export async function deleteApplication(db: Kysely<Database>, id: string): Promise<void> {
  await db.deleteFrom('application').where('id', '=', id).execute();
}
