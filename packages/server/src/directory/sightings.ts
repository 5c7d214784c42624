import type { TunnelReport } from '../feed/messages.ts';
import { touchConnectors, updateConnector } from '../store/connectors.ts';
import type { Directory } from './directory.ts';

/** Notes where a connector was seen and what runs there. Relays need none of it, so nothing is published. */
export async function recordSighting(directory: Directory, tunnel: TunnelReport): Promise<void> {
  const { connectorId, externalIp, version, os } = tunnel;
  await updateConnector(directory.db, connectorId, { externalIp, version, os, lastSeenAt: directory.now() });
}

/** Notes that connectors are, or were until now, connected. */
export async function recordStillSeen(directory: Directory, connectorIds: readonly string[]): Promise<void> {
  await touchConnectors(directory.db, connectorIds, directory.now());
}
