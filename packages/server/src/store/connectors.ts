import type { Kysely, Selectable, Updateable } from 'kysely';
import { forIds } from './id-batches.ts';
import { type ListOptions, pageOf } from './list-page.ts';
import type { ConnectorCertificateTable, ConnectorTable, Database } from './schema.ts';

export type ConnectorRow = Selectable<ConnectorTable>;
export type ConnectorCertificateRow = Selectable<ConnectorCertificateTable>;
export type ConnectorProperty = 'id' | 'machineName' | 'externalIp' | 'version';

export async function findConnector(db: Kysely<Database>, id: string): Promise<ConnectorRow | null> {
  return (await db.selectFrom('connector').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** Sorted by `machineName`. */
export function listConnectors(
  db: Kysely<Database>,
  options: ListOptions<ConnectorProperty>,
): Promise<ConnectorRow[]> {
  return pageOf(db.selectFrom('connector').selectAll(), 'machineName', options).execute();
}

/** Revoked ones included. Sorted by machine name. */
export function listConnectorsOfGroup(db: Kysely<Database>, groupId: string): Promise<ConnectorRow[]> {
  return db
    .selectFrom('connector')
    .selectAll()
    .where('groupId', '=', groupId)
    .orderBy('machineName')
    .orderBy('id')
    .execute();
}

export function readConnectors(db: Kysely<Database>, ids: readonly string[]): Promise<ConnectorRow[]> {
  return forIds(ids, batch => db.selectFrom('connector').selectAll().where('id', 'in', batch).execute());
}

export function readAllConnectors(db: Kysely<Database>): Promise<ConnectorRow[]> {
  return db.selectFrom('connector').selectAll().execute();
}

export type CertificateFingerprint = Pick<ConnectorCertificateRow, 'connectorId' | 'sha256' | 'revokedAt'>;

export function readFingerprints(
  db: Kysely<Database>,
  connectorIds: readonly string[],
): Promise<CertificateFingerprint[]> {
  return forIds(connectorIds, batch =>
    db
      .selectFrom('connectorCertificate')
      .select(['connectorId', 'sha256', 'revokedAt'])
      .where('connectorId', 'in', batch)
      .execute(),
  );
}

export function readAllFingerprints(db: Kysely<Database>): Promise<CertificateFingerprint[]> {
  return db.selectFrom('connectorCertificate').select(['connectorId', 'sha256', 'revokedAt']).execute();
}

export async function updateConnector(
  db: Kysely<Database>,
  id: string,
  change: Omit<Updateable<ConnectorTable>, 'id'>,
): Promise<void> {
  await db.updateTable('connector').set(change).where('id', '=', id).execute();
}

/** Notes that connectors were heard of at a time; unknown ids are passed over. */
export async function touchConnectors(
  db: Kysely<Database>,
  ids: readonly string[],
  lastSeenAt: number,
): Promise<void> {
  await forIds(ids, async batch => {
    await db.updateTable('connector').set({ lastSeenAt }).where('id', 'in', batch).execute();
    return [];
  });
}

/** Moves the revoked connectors of a group elsewhere: they are kept as a record and keep no group alive. */
export async function moveRevokedConnectors(
  db: Kysely<Database>,
  fromGroupId: string,
  toGroupId: string,
): Promise<string[]> {
  const moved = await db
    .updateTable('connector')
    .set({ groupId: toGroupId })
    .where('groupId', '=', fromGroupId)
    .where('revokedAt', 'is not', null)
    .returning('id')
    .execute();
  return moved.map(row => row.id);
}

/** Marks a connector and every certificate issued to it as revoked; an earlier time stays. */
export async function markRevoked(db: Kysely<Database>, id: string, revokedAt: number): Promise<void> {
  await db
    .updateTable('connector')
    .set({ revokedAt })
    .where('id', '=', id)
    .where('revokedAt', 'is', null)
    .execute();
  await db
    .updateTable('connectorCertificate')
    .set({ revokedAt })
    .where('connectorId', '=', id)
    .where('revokedAt', 'is', null)
    .execute();
}

/** Serials of revoked trust certificates that expire after a time, with when they were revoked; in a fixed order. */
export async function listRevokedSerials(
  db: Kysely<Database>,
  expiringAfter: number,
): Promise<{ readonly serial: string; readonly revokedAt: number }[]> {
  const rows = await db
    .selectFrom('connectorCertificate')
    .select(['serial', 'revokedAt'])
    .where('revokedAt', 'is not', null)
    .where('notAfter', '>', expiringAfter)
    .orderBy('serial')
    .execute();
  return rows.map(({ serial, revokedAt }) => ({ serial, revokedAt: revokedAt! }));
}
