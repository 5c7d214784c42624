import type { Kysely } from 'kysely';
import type { Change, ConnectorRecord } from '../feed/messages.ts';
import { findConnectorWithCertificates, markConnectorRevoked } from '../store/connector-registrations.ts';
import type { ConnectorCertificateTable, ConnectorTable, Database } from '../store/schema.ts';

export interface RevocationParts {
  readonly db: Kysely<Database>;
  /** Tells the relays; resolves when the change is in force. */
  readonly publish: (changes: readonly Change[]) => Promise<unknown> | void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * Revokes a connector: none of its certificates is accepted any more, and relays end its live tunnels.
 *
 * @returns false if there is no such connector.
 */
export async function revokeConnector(parts: RevocationParts, connectorId: string): Promise<boolean> {
  await markConnectorRevoked(parts.db, connectorId, parts.now());
  const found = await findConnectorWithCertificates(parts.db, connectorId);
  if (found === null) return false;
  await parts.publish([{ set: 'connectors', put: connectorRecordOf(found.connector, found.certificates) }]);
  return true;
}

/** A connector as relays know it. */
export function connectorRecordOf(
  connector: ConnectorTable,
  certificates: readonly ConnectorCertificateTable[],
): ConnectorRecord {
  return {
    id: connector.id,
    machineName: connector.machineName,
    groupId: connector.groupId,
    certificates: certificates.map(({ sha256, revokedAt }) => ({ sha256, revoked: revokedAt !== null })),
    revoked: connector.revokedAt !== null,
  };
}
