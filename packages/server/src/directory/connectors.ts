import type { Kysely } from 'kysely';
import * as store from '../store/connectors.ts';
import type { Database } from '../store/schema.ts';
import { requireConnectorGroup } from './connector-groups.ts';
import type { Directory } from './directory.ts';
import { DirectoryError, notFound } from './directory-error.ts';

/** @throws DirectoryError `not_found` of connector or group, `forbidden` for a revoked connector. */
export async function moveConnector(directory: Directory, id: string, groupId: string): Promise<void> {
  await directory.change(async (db, touched) => {
    const connector = await requireConnector(db, id);
    await requireConnectorGroup(db, groupId);
    if (connector.revokedAt !== null) {
      throw new DirectoryError('forbidden', `${connector.machineName} is revoked and cannot be moved.`);
    }
    await store.updateConnector(db, id, { groupId });
    touched.add('connectors', id);
  });
}

/**
 * Takes a connector out of use, or back: drained, it gets no new requests, and finishes those in flight.
 *
 * @throws DirectoryError `not_found`, `forbidden` if it is revoked.
 */
export async function setDraining(directory: Directory, id: string, draining: boolean): Promise<void> {
  await directory.change(async (db, touched) => {
    const connector = await requireConnector(db, id);
    if (connector.revokedAt !== null) {
      throw new DirectoryError('forbidden', `${connector.machineName} is revoked and gets no requests.`);
    }
    if (isDraining(connector) === draining) return;
    await store.updateConnector(db, id, { drainingSince: draining ? directory.now() : null });
    touched.add('connectors', id);
  });
}

/**
 * Says where a connector is, or that it is nowhere in particular.
 *
 * @throws DirectoryError `not_found`, `forbidden` if it is revoked.
 */
export async function setRegion(directory: Directory, id: string, region: string | null): Promise<void> {
  await directory.change(async (db, touched) => {
    const connector = await requireConnector(db, id);
    if (connector.revokedAt !== null) {
      throw new DirectoryError('forbidden', `${connector.machineName} is revoked and gets no requests.`);
    }
    await store.updateConnector(db, id, { region });
    touched.add('connectors', id);
  });
}

export function isDraining({ drainingSince }: Pick<store.ConnectorRow, 'drainingSince'>): boolean {
  return (drainingSince ?? null) !== null;
}

/**
 * Revokes a connector: none of its certificates is accepted any more, and relays cut its tunnels. Doing it again changes
 * nothing.
 *
 * @throws DirectoryError `not_found`
 */
export async function revokeConnector(directory: Directory, id: string): Promise<store.ConnectorRow> {
  return directory.change(async (db, touched) => {
    await requireConnector(db, id);
    await store.markRevoked(db, id, directory.now());
    touched.add('connectors', id);
    return requireConnector(db, id);
  });
}

const dayMs = 86_400_000;

/**
 * The time since when a connector must have been seen to be in lists; null: they leave nobody out. One that was never seen
 * counts from its registration.
 *
 * @param inactiveAfterDays 0: never.
 * @param now Milliseconds since the epoch.
 */
export function hiddenBefore(inactiveAfterDays: number, now: number): number | null {
  return inactiveAfterDays === 0 ? null : now - inactiveAfterDays * dayMs;
}

/** Whether lists leave a connector out: see {@link hiddenBefore}. */
export function isHidden(
  { lastSeenAt, createdAt }: Pick<store.ConnectorRow, 'lastSeenAt' | 'createdAt'>,
  inactiveAfterDays: number,
  now: number,
): boolean {
  const before = hiddenBefore(inactiveAfterDays, now);
  return before !== null && (lastSeenAt ?? createdAt) < before;
}

/** @throws DirectoryError `not_found` */
export async function requireConnector(db: Kysely<Database>, id: string): Promise<store.ConnectorRow> {
  const connector = await store.findConnector(db, id);
  if (connector === null) throw notFound('connector', id);
  return connector;
}
