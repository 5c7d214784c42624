import { randomUUID } from 'node:crypto';
import type { Kysely } from 'kysely';
import { listApplicationsOfConnectorGroup } from '../store/applications.ts';
import * as store from '../store/connector-groups.ts';
import { listConnectorsOfGroup, moveRevokedConnectors } from '../store/connectors.ts';
import type { Database } from '../store/schema.ts';
import type { Directory } from './directory.ts';
import { checkVersion, DirectoryError, notFound } from './directory-error.ts';

export interface ConnectorGroupInput {
  readonly name: string;
  readonly region?: string | null;
}

/** @throws DirectoryError `conflict` if the name is taken. */
export async function createConnectorGroup(
  directory: Directory,
  input: ConnectorGroupInput,
): Promise<store.ConnectorGroupRow> {
  return directory.change(async (db, touched) => {
    await checkName(db, input.name, null);
    const group = await store.insertConnectorGroup(db, {
      id: randomUUID(),
      name: input.name,
      isDefault: 0,
      region: input.region ?? null,
      createdAt: directory.now(),
    });
    touched.add('connectorGroups', group.id);
    return group;
  });
}

/** @throws DirectoryError `not_found`, `precondition_failed`, `conflict` if the name is taken. */
export async function updateConnectorGroup(
  directory: Directory,
  id: string,
  update: Partial<ConnectorGroupInput>,
  expectedVersion?: number,
): Promise<store.ConnectorGroupRow> {
  return directory.change(async (db, touched) => {
    checkVersion(await requireConnectorGroup(db, id), expectedVersion);
    if (update.name !== undefined) await checkName(db, update.name, id);
    touched.add('connectorGroups', id);
    return store.updateConnectorGroup(db, id, {
      ...(update.name === undefined ? {} : { name: update.name }),
      ...(update.region === undefined ? {} : { region: update.region }),
    });
  });
}

/**
 * Deletes an empty connector group. Revoked connectors do not count: they are kept as a record, in the default group.
 *
 * @throws DirectoryError `not_found`, `precondition_failed`, `forbidden` for the default group, `conflict` if it is not
 *   empty.
 */
export async function deleteConnectorGroup(
  directory: Directory,
  id: string,
  expectedVersion?: number,
): Promise<void> {
  await directory.change(async (db, touched) => {
    const group = await requireConnectorGroup(db, id);
    checkVersion(group, expectedVersion);
    if (group.isDefault === 1) {
      throw new DirectoryError('forbidden', 'The default connector group cannot be deleted.');
    }
    const applications = await listApplicationsOfConnectorGroup(db, id);
    const connectors = (await listConnectorsOfGroup(db, id)).filter(row => row.revokedAt === null);
    if (applications.length + connectors.length > 0) {
      throw new DirectoryError(
        'conflict',
        `${group.name} is not empty: it has ${connectors.length} connectors and ${applications.length} applications. ` +
          'Move them to another group first; "postern connector list --all" shows connectors that were not seen for long, too.',
      );
    }
    const fallback = await store.findDefaultConnectorGroup(db);
    touched.addAll('connectors', await moveRevokedConnectors(db, id, fallback.id));
    await store.deleteConnectorGroup(db, id);
    touched.add('connectorGroups', id);
  });
}

/** @throws DirectoryError `not_found` */
export async function requireConnectorGroup(
  db: Kysely<Database>,
  id: string,
): Promise<store.ConnectorGroupRow> {
  const group = await store.findConnectorGroup(db, id);
  if (group === null) throw notFound('connector group', id);
  return group;
}

async function checkName(db: Kysely<Database>, name: string, ownId: string | null): Promise<void> {
  const taken = await store.findConnectorGroupByName(db, name);
  if (taken === null || taken.id === ownId) return;
  throw new DirectoryError('conflict', `There is a connector group ${name} already.`, { property: 'name' });
}
