import type { Insertable, Kysely, Selectable, Updateable } from 'kysely';
import { forIds } from './id-batches.ts';
import { type ListOptions, pageOf } from './list-page.ts';
import type { ConnectorGroupTable, Database } from './schema.ts';

export type ConnectorGroupRow = Selectable<ConnectorGroupTable>;
export type ConnectorGroupProperty = 'id' | 'name' | 'region';

export async function findConnectorGroup(
  db: Kysely<Database>,
  id: string,
): Promise<ConnectorGroupRow | null> {
  return (await db.selectFrom('connectorGroup').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

export async function findConnectorGroupByName(
  db: Kysely<Database>,
  name: string,
): Promise<ConnectorGroupRow | null> {
  return (
    (await db.selectFrom('connectorGroup').selectAll().where('name', '=', name).executeTakeFirst()) ?? null
  );
}

/** The group that new connectors and applications join; it exists from the first start on. */
export async function findDefaultConnectorGroup(db: Kysely<Database>): Promise<ConnectorGroupRow> {
  return db.selectFrom('connectorGroup').selectAll().where('isDefault', '=', 1).executeTakeFirstOrThrow();
}

/** Sorted by `name`. */
export function listConnectorGroups(
  db: Kysely<Database>,
  options: ListOptions<ConnectorGroupProperty>,
): Promise<ConnectorGroupRow[]> {
  return pageOf(db.selectFrom('connectorGroup').selectAll(), 'name', options).execute();
}

export function readConnectorGroups(
  db: Kysely<Database>,
  ids: readonly string[],
): Promise<ConnectorGroupRow[]> {
  return forIds(ids, batch => db.selectFrom('connectorGroup').selectAll().where('id', 'in', batch).execute());
}

export function readAllConnectorGroups(db: Kysely<Database>): Promise<ConnectorGroupRow[]> {
  return db.selectFrom('connectorGroup').selectAll().execute();
}

export async function insertConnectorGroup(
  db: Kysely<Database>,
  group: Insertable<ConnectorGroupTable>,
): Promise<ConnectorGroupRow> {
  return db.insertInto('connectorGroup').values(group).returningAll().executeTakeFirstOrThrow();
}

/** Changes a connector group and counts its version up. */
export async function updateConnectorGroup(
  db: Kysely<Database>,
  id: string,
  change: Omit<Updateable<ConnectorGroupTable>, 'id' | 'version'>,
): Promise<ConnectorGroupRow> {
  return db
    .updateTable('connectorGroup')
    .set(change)
    .set(eb => ({ version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function deleteConnectorGroup(db: Kysely<Database>, id: string): Promise<void> {
  await db.deleteFrom('connectorGroup').where('id', '=', id).execute();
}
