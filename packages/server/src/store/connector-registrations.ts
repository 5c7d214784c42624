import type { Kysely } from 'kysely';
import type { ConnectorCertificateTable, ConnectorTable, Database } from './schema.ts';

/** A connector that registers, with its first certificate. */
export interface ConnectorRegistration {
  readonly connector: ConnectorTable;
  readonly certificate: ConnectorCertificateTable;
  /** SHA-256 of the proven public key (SPKI, DER) in upper-case hex. */
  readonly keySha256: string;
}

export type RegistrationOutcome = 'recorded' | 'proof_already_used' | 'unknown_connector_group';

/**
 * Records a registration, all of it or nothing. A key is accepted once: the same proof sent again, or many times at
 * the same moment, gives one connector.
 */
export async function recordRegistration(
  db: Kysely<Database>,
  registration: ConnectorRegistration,
): Promise<RegistrationOutcome> {
  const { connector, certificate, keySha256 } = registration;
  return db.transaction().execute(async transaction => {
    const group = await transaction
      .selectFrom('connectorGroup')
      .select('id')
      .where('id', '=', connector.groupId)
      .executeTakeFirst();
    if (group === undefined) return 'unknown_connector_group';
    const proof = await transaction
      .insertInto('registrationProof')
      .values({ keySha256, connectorId: connector.id, createdAt: connector.createdAt })
      .onConflict(conflict => conflict.column('keySha256').doNothing())
      .executeTakeFirst();
    if (proof.numInsertedOrUpdatedRows === 0n) return 'proof_already_used';
    await transaction.insertInto('connector').values(connector).execute();
    await transaction.insertInto('connectorCertificate').values(certificate).execute();
    return 'recorded';
  });
}

/** The group that connectors join where none is named. */
export async function findDefaultConnectorGroupId(db: Kysely<Database>): Promise<string> {
  const group = await db
    .selectFrom('connectorGroup')
    .select('id')
    .where('isDefault', '=', 1)
    .executeTakeFirstOrThrow();
  return group.id;
}
