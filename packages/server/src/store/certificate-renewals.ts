import type { Kysely } from 'kysely';
import type { ConnectorCertificateTable, Database } from './schema.ts';

/** What stands against a renewal in the books. */
export type RenewalObstacle =
  | 'unknown_certificate'
  | 'revoked'
  | 'expired'
  | 'too_many'
  | 'proof_already_used';

export interface RenewalClaim {
  readonly connectorId: string;
  /** The certificate that the connector shows: SHA-256 of the DER, upper-case hex. */
  readonly certificateSha256: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Certificates whose validity begins later than `recentSince` count as recent; there may be so many of them. */
  readonly recentSince: number;
  readonly maxRecent: number;
}

/** Whether this connector may have a new certificate on the strength of the one it shows: with its name, or why not. */
export async function checkRenewal(
  db: Kysely<Database>,
  { connectorId, certificateSha256, now, recentSince, maxRecent }: RenewalClaim,
): Promise<{ readonly machineName: string } | RenewalObstacle> {
  const shown = await db
    .selectFrom('connectorCertificate')
    .innerJoin('connector', 'connector.id', 'connectorCertificate.connectorId')
    .select(['connector.machineName', 'connector.revokedAt as connectorRevokedAt'])
    .select(['connectorCertificate.notAfter', 'connectorCertificate.revokedAt'])
    .where('connectorCertificate.sha256', '=', certificateSha256)
    .where('connectorCertificate.connectorId', '=', connectorId)
    .executeTakeFirst();
  if (shown === undefined) return 'unknown_certificate';
  if (shown.connectorRevokedAt !== null || shown.revokedAt !== null) return 'revoked';
  if (shown.notAfter < now) return 'expired';
  const { recent } = await db
    .selectFrom('connectorCertificate')
    .select(({ fn }) => fn.countAll<number>().as('recent'))
    .where('connectorId', '=', connectorId)
    .where('notBefore', '>', recentSince)
    .executeTakeFirstOrThrow();
  return Number(recent) >= maxRecent ? 'too_many' : { machineName: shown.machineName };
}

/**
 * Records a renewed certificate beside the earlier ones, unless something has come between since it was checked: a
 * revocation, above all.
 *
 * @param keySha256 SHA-256 of the proven public key (SPKI, DER) in upper-case hex; a key is certified once.
 */
export function recordRenewal(
  db: Kysely<Database>,
  claim: RenewalClaim,
  certificate: ConnectorCertificateTable,
  keySha256: string,
): Promise<'recorded' | RenewalObstacle> {
  return db.transaction().execute(async transaction => {
    const checked = await checkRenewal(transaction, claim);
    if (typeof checked === 'string') return checked;
    const { connectorId, now } = claim;
    const proof = await transaction
      .insertInto('registrationProof')
      .values({ keySha256, connectorId, createdAt: now })
      .onConflict(conflict => conflict.column('keySha256').doNothing())
      .executeTakeFirst();
    if (proof.numInsertedOrUpdatedRows === 0n) return 'proof_already_used';
    await transaction.insertInto('connectorCertificate').values(certificate).execute();
    return 'recorded';
  });
}
