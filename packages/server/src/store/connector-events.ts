import type { Kysely, Selectable } from 'kysely';
import type { ConnectorEventTable, Database } from './schema.ts';

export type ConnectorEventRow = Readonly<Selectable<ConnectorEventTable>>;

/** Adds an event, and deletes those of the connector beyond the newest `keep`. An unknown connector gets none. */
export async function insertConnectorEvent(
  db: Kysely<Database>,
  event: Omit<ConnectorEventRow, 'sequence'>,
  keep: number,
): Promise<void> {
  await db.transaction().execute(async transaction => {
    const { connectorId } = event;
    const connector = await transaction
      .selectFrom('connector')
      .select('id')
      .where('id', '=', connectorId)
      .executeTakeFirst();
    if (connector === undefined) return;
    await transaction.insertInto('connectorEvent').values(event).execute();
    const oldest = await transaction
      .selectFrom('connectorEvent')
      .select('sequence')
      .where('connectorId', '=', connectorId)
      .orderBy('sequence', 'desc')
      .offset(keep)
      .limit(1)
      .executeTakeFirst();
    if (oldest === undefined) return;
    await transaction
      .deleteFrom('connectorEvent')
      .where('connectorId', '=', connectorId)
      .where('sequence', '<=', oldest.sequence)
      .execute();
  });
}

/** The newest comes first. */
export function listConnectorEvents(db: Kysely<Database>, connectorId: string): Promise<ConnectorEventRow[]> {
  return db
    .selectFrom('connectorEvent')
    .selectAll()
    .where('connectorId', '=', connectorId)
    .orderBy('sequence', 'desc')
    .execute();
}

/** The newest event of a connector among those that are named, or null. */
export async function findLastConnectorEvent(
  db: Kysely<Database>,
  connectorId: string,
  events: readonly string[],
): Promise<ConnectorEventRow | null> {
  const found = await db
    .selectFrom('connectorEvent')
    .selectAll()
    .where('connectorId', '=', connectorId)
    .where('event', 'in', events)
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst();
  return found ?? null;
}
