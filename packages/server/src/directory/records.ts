import type { Kysely } from 'kysely';
import type {
  ApplicationRecord,
  Change,
  ConnectorGroupRecord,
  ConnectorRecord,
  RelayState,
  SessionRecord,
  UserRecord,
} from '../feed/messages.ts';
import {
  type ApplicationCredentialRow,
  readAllApplicationCredentials,
  readApplicationCredentials,
} from '../store/application-credentials.ts';
import { type ApplicationRow, readAllApplications, readApplications } from '../store/applications.ts';
import { type AssignmentRow, readAllAssignments, readAssignments } from '../store/assignments.ts';
import {
  type ConnectorGroupRow,
  readAllConnectorGroups,
  readConnectorGroups,
} from '../store/connector-groups.ts';
import {
  type CertificateFingerprint,
  type ConnectorRow,
  readAllConnectors,
  readAllFingerprints,
  readConnectors,
  readFingerprints,
} from '../store/connectors.ts';
import { type EdgeSessionRow, readEdgeSessions, readRememberedEdgeSessions } from '../store/edge-sessions.ts';
import { type Membership, readAllMemberships, readMemberships } from '../store/groups.ts';
import { listPublicCertificates, readPublicCertificates } from '../store/public-certificates.ts';
import type { Database } from '../store/schema.ts';
import type { SealedSecrets } from '../store/sealed-secrets.ts';
import { readAllUsers, readUsers, type UserRow } from '../store/users.ts';
import { normalRegion } from '../tunnels/region.ts';
import { certificateRecords } from './certificate-records.ts';
import { isDraining } from './connectors.ts';
import type { ServiceAddress } from './published-urls.ts';
import { applicationRecordOf } from './publishing.ts';

/** Sets of records that relays hold, in the order in which a list of changes gives them: users before their sessions. */
export const recordSets = [
  'connectorGroups',
  'connectors',
  'applications',
  'users',
  'sessions',
  'certificates',
] as const;
export type RecordSet = (typeof recordSets)[number];

/** Ids of what a transaction has changed, so that their records can be built once it is done. */
export class Touched {
  readonly #ids: Record<RecordSet, Set<string>> = {
    connectorGroups: new Set(),
    connectors: new Set(),
    applications: new Set(),
    users: new Set(),
    sessions: new Set(),
    certificates: new Set(),
  };

  add(set: RecordSet, ...ids: readonly string[]): void {
    this.addAll(set, ids);
  }

  addAll(set: RecordSet, ids: Iterable<string>): void {
    for (const id of ids) this.#ids[set].add(id);
  }

  idsOf(set: RecordSet): readonly string[] {
    return [...this.#ids[set]];
  }
}

export type DirectoryState = Omit<RelayState, 'tunnelTrust' | 'challenges'>;

/**
 * Everything that relays need of the directory.
 *
 * @param secrets Where the keys of certificates are; null for none.
 */
export async function readState(
  db: Kysely<Database>,
  address: ServiceAddress,
  now: number,
  secrets: SealedSecrets | null,
): Promise<DirectoryState> {
  const applications = await readAllApplications(db);
  const assignments = await readAllAssignments(db);
  const credentials = await readAllApplicationCredentials(db);
  const groups = await readAllConnectorGroups(db);
  const connectors = await readAllConnectors(db);
  const fingerprints = await readAllFingerprints(db);
  const users = await readAllUsers(db);
  const memberships = await readAllMemberships(db);
  const sessions = await readRememberedEdgeSessions(db, now);
  const certificates = await listPublicCertificates(db);
  return {
    applications: applicationRecords(applications, assignments, credentials, address),
    connectorGroups: groups.map(connectorGroupRecordOf),
    connectors: connectorRecords(connectors, fingerprints),
    users: userRecords(users, memberships),
    sessions: sessions.map(sessionRecordOf),
    certificates: await certificateRecords(db, certificates, address.domain, secrets),
  };
}

/** What changed for relays: the record of each id as it is now, or its removal where there is none any more. */
export async function readChanges(
  db: Kysely<Database>,
  touched: Touched,
  address: ServiceAddress,
  secrets: SealedSecrets | null,
): Promise<Change[]> {
  const groups = await readConnectorGroups(db, touched.idsOf('connectorGroups'));
  const connectors = await readConnectors(db, touched.idsOf('connectors'));
  const fingerprints = await readFingerprints(db, touched.idsOf('connectors'));
  const applications = await readApplications(db, touched.idsOf('applications'));
  const assignments = await readAssignments(
    db,
    applications.map(row => row.servicePrincipalId),
  );
  const credentials = await readApplicationCredentials(db, touched.idsOf('applications'));
  const users = await readUsers(db, touched.idsOf('users'));
  const memberships = await readMemberships(db, touched.idsOf('users'));
  const sessions = await readEdgeSessions(db, touched.idsOf('sessions'));
  const certificates = await readPublicCertificates(db, touched.idsOf('certificates'));
  const served = await certificateRecords(db, certificates, address.domain, secrets);
  return [
    ...changesOf(
      touched,
      'connectorGroups',
      groups.map(row => ({ set: 'connectorGroups', put: connectorGroupRecordOf(row) })),
    ),
    ...changesOf(
      touched,
      'connectors',
      connectorRecords(connectors, fingerprints).map(put => ({ set: 'connectors', put })),
    ),
    ...changesOf(
      touched,
      'applications',
      applicationRecords(applications, assignments, credentials, address).map(put => ({
        set: 'applications',
        put,
      })),
    ),
    ...changesOf(
      touched,
      'users',
      userRecords(users, memberships).map(put => ({ set: 'users', put })),
    ),
    ...changesOf(
      touched,
      'sessions',
      sessions.map(row => ({ set: 'sessions', put: sessionRecordOf(row) })),
    ),
    ...changesOf(
      touched,
      'certificates',
      served.map(put => ({ set: 'certificates', put })),
    ),
  ];
}

type Put = Extract<Change, { put: { id: string } }>;

function changesOf(touched: Touched, set: RecordSet, puts: readonly Put[]): Change[] {
  const present = new Set(puts.map(change => change.put.id));
  const removals = touched.idsOf(set).filter(id => !present.has(id));
  return [...puts, ...removals.map(remove => ({ set, remove }))];
}

function applicationRecords(
  rows: readonly ApplicationRow[],
  assignments: readonly AssignmentRow[],
  credentials: readonly ApplicationCredentialRow[],
  address: ServiceAddress,
): ApplicationRecord[] {
  const ofApplication = Map.groupBy(credentials, row => row.applicationId);
  const ofResource = Map.groupBy(assignments, row => row.resourceId);
  const principals = (row: ApplicationRow, type: string) =>
    (ofResource.get(row.servicePrincipalId) ?? [])
      .filter(assignment => assignment.principalType === type)
      .map(assignment => assignment.principalId);
  return rows
    .map(row =>
      applicationRecordOf(
        row,
        {
          userIds: principals(row, 'User'),
          groupIds: principals(row, 'Group'),
          credentials: ofApplication.get(row.id) ?? [],
        },
        address,
      ),
    )
    .filter(record => record !== null);
}

function connectorRecords(
  rows: readonly ConnectorRow[],
  fingerprints: readonly CertificateFingerprint[],
): ConnectorRecord[] {
  const ofConnector = Map.groupBy(fingerprints, row => row.connectorId);
  return rows.map(row => ({
    id: row.id,
    machineName: row.machineName,
    groupId: row.groupId,
    certificates: (ofConnector.get(row.id) ?? []).map(({ sha256, revokedAt }) => ({
      sha256,
      revoked: revokedAt !== null,
    })),
    revoked: row.revokedAt !== null,
    draining: isDraining(row),
    ...regionOf(row),
  }));
}

function connectorGroupRecordOf({ id, name, region }: ConnectorGroupRow): ConnectorGroupRecord {
  return { id, name, ...regionOf({ region }) };
}

/** Regions are compared without regard to case and to spaces around them. */
function regionOf({ region }: { readonly region?: string | null }): { readonly region?: string } {
  const normal = normalRegion(region ?? '');
  return normal === '' ? {} : { region: normal };
}

function userRecords(rows: readonly UserRow[], memberships: readonly Membership[]): UserRecord[] {
  const ofUser = Map.groupBy(memberships, row => row.userId);
  return rows.map(row => ({
    id: row.id,
    userPrincipalName: row.userPrincipalName,
    displayName: row.displayName,
    mail: row.mail,
    enabled: row.accountEnabled === 1,
    groupIds: (ofUser.get(row.id) ?? []).map(membership => membership.groupId),
  }));
}

export function sessionRecordOf(row: Omit<EdgeSessionRow, 'timingUntil'> & { timingUntil?: number | null }) {
  const { id, idHash, host, userId, expiresAt, timingUntil = null } = row;
  const record: SessionRecord = { id, idHash, host, userId, expiresAt };
  return timingUntil === null ? record : { ...record, timingUntil };
}
