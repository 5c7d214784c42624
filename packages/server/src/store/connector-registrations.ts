import type { Kysely, Transaction } from 'kysely';
import { takeEnrolmentUse } from './enrolment-tokens.ts';
import type { ConnectorCertificateTable, ConnectorTable, Database } from './schema.ts';

/** A connector that registers, with the certificate that it gets. */
export interface ConnectorRegistration {
  readonly connector: ConnectorTable;
  /** True: a connector of this id is on record, and goes on under its id. */
  readonly isKnown: boolean;
  readonly certificate: ConnectorCertificateTable;
  /** SHA-256 of the proven public key (SPKI, DER) in upper-case hex. */
  readonly keySha256: string;
  /** Id of the enrolment token to take a use of. */
  readonly enrolmentTokenId: string | null;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * - `connector_changed`: a known connector was revoked or deleted in the meantime.
 * - `enrolment_token_unusable`: no use is left, or it has expired or been revoked.
 */
export type RegistrationOutcome =
  | 'recorded'
  | 'proof_already_used'
  | 'unknown_connector_group'
  | 'connector_changed'
  | 'enrolment_token_unusable';

/**
 * Records a registration, all of it or nothing. A key is accepted once: the same proof sent again, or many times at
 * the same moment, gives one connector. A registration that fails uses no enrolment token up.
 */
export async function recordRegistration(
  db: Kysely<Database>,
  registration: ConnectorRegistration,
): Promise<RegistrationOutcome> {
  try {
    await db.transaction().execute(transaction => record(transaction, registration));
    return 'recorded';
  } catch (error) {
    if (error instanceof Undone) return error.outcome;
    throw error;
  }
}

/** Thrown, so that what the transaction has done so far is undone. */
class Undone extends Error {
  readonly outcome: RegistrationOutcome;

  constructor(outcome: RegistrationOutcome) {
    super(outcome);
    this.outcome = outcome;
  }
}

async function record(
  db: Transaction<Database>,
  { connector, isKnown, certificate, keySha256, enrolmentTokenId, now }: ConnectorRegistration,
): Promise<void> {
  const group = await db
    .selectFrom('connectorGroup')
    .select('id')
    .where('id', '=', connector.groupId)
    .executeTakeFirst();
  if (group === undefined) throw new Undone('unknown_connector_group');
  const proof = await db
    .insertInto('registrationProof')
    .values({ keySha256, connectorId: connector.id, enrolmentTokenId, createdAt: now })
    .onConflict(conflict => conflict.column('keySha256').doNothing())
    .executeTakeFirst();
  if (proof.numInsertedOrUpdatedRows === 0n) throw new Undone('proof_already_used');
  if (enrolmentTokenId !== null && !(await takeEnrolmentUse(db, enrolmentTokenId, now))) {
    throw new Undone('enrolment_token_unusable');
  }
  if (isKnown) {
    const { machineName, version, os, groupId } = connector;
    const changed = await db
      .updateTable('connector')
      .set({ machineName, version, os, groupId })
      .where('id', '=', connector.id)
      .where('revokedAt', 'is', null)
      .executeTakeFirst();
    if (changed.numUpdatedRows === 0n) throw new Undone('connector_changed');
  } else {
    await db.insertInto('connector').values(connector).execute();
  }
  await db.insertInto('connectorCertificate').values(certificate).execute();
}

/**
 * The registration that a key was used for since a time, by the same right: the connector with all its certificates. null
 * where there is none, or the connector was revoked since.
 *
 * @param since Milliseconds since the epoch.
 */
export async function findRecentRegistration(
  db: Kysely<Database>,
  {
    keySha256,
    enrolmentTokenId,
    since,
  }: { keySha256: string; enrolmentTokenId: string | null; since: number },
): Promise<{ connector: ConnectorTable; certificates: ConnectorCertificateTable[] } | null> {
  const connector = await db
    .selectFrom('connector')
    .selectAll()
    .where('revokedAt', 'is', null)
    .where('id', '=', eb =>
      eb
        .selectFrom('registrationProof')
        .select('connectorId')
        .where('keySha256', '=', keySha256)
        .where('enrolmentTokenId', 'is', enrolmentTokenId)
        .where('createdAt', '>', since),
    )
    .executeTakeFirst();
  if (connector === undefined) return null;
  const certificates = await db
    .selectFrom('connectorCertificate')
    .selectAll()
    .where('connectorId', '=', connector.id)
    .where('revokedAt', 'is', null)
    .execute();
  return { connector, certificates };
}

/** A connector with one of its certificates. */
export interface KnownConnector {
  readonly connector: ConnectorTable;
  readonly certificate: ConnectorCertificateTable;
}

/** The connector that a certificate was issued to; null for one that is unknown, or revoked with or without its connector. */
export async function findUnrevokedConnector(
  db: Kysely<Database>,
  certificateSha256: string,
): Promise<KnownConnector | null> {
  const certificate = await db
    .selectFrom('connectorCertificate')
    .selectAll()
    .where('sha256', '=', certificateSha256)
    .where('revokedAt', 'is', null)
    .executeTakeFirst();
  if (certificate === undefined) return null;
  const connector = await db
    .selectFrom('connector')
    .selectAll()
    .where('id', '=', certificate.connectorId)
    .where('revokedAt', 'is', null)
    .executeTakeFirst();
  return connector === undefined ? null : { connector, certificate };
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
