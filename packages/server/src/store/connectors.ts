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

/**
 * Sorted by `machineName`.
 *
 * @param seenSince Leaves those out that were last seen before; null: nobody.
 */
export function listConnectors(
  db: Kysely<Database>,
  options: ListOptions<ConnectorProperty>,
  seenSince: number | null,
): Promise<ConnectorRow[]> {
  const all = db.selectFrom('connector').selectAll();
  const seen = all.where(({ eb, fn }) => eb(fn.coalesce('lastSeenAt', 'createdAt'), '>=', seenSince ?? 0));
  return pageOf(seenSince === null ? all : seen, 'machineName', options).execute();
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

export interface RevokedCertificate {
  readonly serial: string;
  readonly revokedAt: number;
  readonly pem: string;
}

/** Revoked trust certificates that expire after a time, in a fixed order. */
export async function listRevokedCertificates(
  db: Kysely<Database>,
  expiringAfter: number,
): Promise<RevokedCertificate[]> {
  const rows = await db
    .selectFrom('connectorCertificate')
    .select(['serial', 'revokedAt', 'pem'])
    .where('revokedAt', 'is not', null)
    .where('notAfter', '>', expiringAfter)
    .orderBy('serial')
    .execute();
  return rows.map(({ serial, revokedAt, pem }) => ({ serial, revokedAt: revokedAt!, pem }));
}

/** The last moment at which any trust certificate on record is valid; 0 where there is none. */
export async function findLastExpiry(db: Kysely<Database>): Promise<number> {
  const { last } = await db
    .selectFrom('connectorCertificate')
    .select(({ fn }) => fn.max('notAfter').as('last'))
    .executeTakeFirstOrThrow();
  return last ?? 0;
}

/**
 * Connectors that could come back and have not said that they trust an authority: not revoked, with a certificate that is
 * valid after a time. Sorted by machine name.
 *
 * @param anchor SHA-256 of the authority's DER, upper-case hex.
 */
export function listConnectorsWithoutAnchor(
  db: Kysely<Database>,
  anchor: string,
  validAfter: number,
): Promise<Pick<ConnectorRow, 'id' | 'machineName' | 'lastSeenAt'>[]> {
  return db
    .selectFrom('connector')
    .select(['id', 'machineName', 'lastSeenAt'])
    .where('revokedAt', 'is', null)
    .where(eb => eb.or([eb('keptAnchor', 'is', null), eb('keptAnchor', '!=', anchor)]))
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('connectorCertificate')
          .select('serial')
          .whereRef('connectorCertificate.connectorId', '=', 'connector.id')
          .where('connectorCertificate.revokedAt', 'is', null)
          .where('connectorCertificate.notAfter', '>', validAfter),
      ),
    )
    .orderBy('machineName')
    .orderBy('id')
    .execute();
}
