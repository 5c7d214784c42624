import type { Kysely } from 'kysely';
import { forIds } from './id-batches.ts';
import type { Database } from './schema.ts';

/** The certificate of a connector that is valid longest: the one that a renewal or registration made last. */
export interface NewestCertificate {
  readonly connectorId: string;
  readonly machineName: string;
  readonly serial: string;
  readonly thumbprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Of every connector that is not revoked. */
export async function listNewestCertificates(db: Kysely<Database>): Promise<NewestCertificate[]> {
  const rows = await ordered(db)
    .where('connector.revokedAt', 'is', null)
    .where('connectorCertificate.revokedAt', 'is', null)
    .execute();
  return [...firstOfEach(rows).values()];
}

/** By connector id, of the connectors that are named; revoked ones included. */
export async function newestCertificatesOf(
  db: Kysely<Database>,
  connectorIds: readonly string[],
): Promise<ReadonlyMap<string, NewestCertificate>> {
  const rows = await forIds(connectorIds, batch => ordered(db).where('connector.id', 'in', batch).execute());
  return firstOfEach(rows);
}

function ordered(db: Kysely<Database>) {
  return db
    .selectFrom('connectorCertificate')
    .innerJoin('connector', 'connector.id', 'connectorCertificate.connectorId')
    .select([
      'connectorCertificate.connectorId',
      'connector.machineName',
      'connectorCertificate.serial',
      'connectorCertificate.thumbprint',
      'connectorCertificate.notBefore',
      'connectorCertificate.notAfter',
    ])
    .orderBy('connectorCertificate.notAfter', 'desc');
}

function firstOfEach(rows: readonly NewestCertificate[]): Map<string, NewestCertificate> {
  const found = new Map<string, NewestCertificate>();
  for (const row of rows) if (!found.has(row.connectorId)) found.set(row.connectorId, row);
  return found;
}
