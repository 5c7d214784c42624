import type { Application } from '@postern/protocol/admin/applications';
import type { Connector, ConnectorGroup } from '@postern/protocol/admin/connectors';
import type { Group, User } from '@postern/protocol/admin/directory';
import {
  hideAppTag,
  onPremisesTags,
  type ServicePrincipal,
} from '@postern/protocol/admin/service-principals';
import { daysLeft, dueWarning } from '@postern/protocol/expiry';
import { pathStatus } from '../directory/application-status.ts';
import { isDraining, isHidden } from '../directory/connectors.ts';
import type { ServiceAddress } from '../directory/published-urls.ts';
import { publishingOf } from '../directory/publishing.ts';
import type { ApplicationRow } from '../store/applications.ts';
import type { ConnectorGroupRow } from '../store/connector-groups.ts';
import { type ConnectorRow, readAllConnectors } from '../store/connectors.ts';
import type { GroupRow } from '../store/groups.ts';
import { type NewestCertificate, newestCertificatesOf } from '../store/newest-certificates.ts';
import type { UserRow } from '../store/users.ts';
import type { ResourceParts } from './parts.ts';
import { dateTime, dateTimeOrNull } from './requests.ts';

// Rows of the store as the admin API shows them. Several resources show the same things, so these stand apart from them.

export function representUser(row: UserRow): User {
  const { id, userPrincipalName, displayName, mail } = row;
  return {
    id,
    userPrincipalName,
    displayName,
    mail,
    accountEnabled: row.accountEnabled === 1,
    createdDateTime: dateTime(row.createdAt),
    hasPassword: row.passwordHash !== null,
  };
}

export function representGroup(row: GroupRow): Group {
  return {
    id: row.id,
    displayName: row.displayName,
    description: row.description,
    createdDateTime: dateTime(row.createdAt),
  };
}

/** Applications as the API shows them, each with what is known of the way to it. */
export async function representApplications(
  rows: readonly ApplicationRow[],
  parts: Pick<ResourceParts, 'directory' | 'isConnectorActive' | 'reportOutcomes'>,
): Promise<Application[]> {
  const { db, address, now } = parts.directory;
  const connectors = await readAllConnectors(db);
  const live = connectors.filter(({ id }) => parts.isConnectorActive(id));
  const liveGroups = new Set(live.map(({ groupId }) => groupId));
  const outcomes = await parts.reportOutcomes(rows.map(({ id }) => id));
  return rows.map(row => {
    const isLive = liveGroups.has(row.connectorGroupId);
    const { state, hop, code, since, observed } = pathStatus(row, outcomes.get(row.id), isLive, now());
    return {
      ...representApplication(row, address),
      status: {
        state,
        hop,
        code,
        sinceDateTime: dateTimeOrNull(since),
        observedDateTime: dateTimeOrNull(observed),
      },
    };
  });
}

/** @throws TypeError where there is none. */
export async function representOneApplication(
  row: ApplicationRow,
  parts: Parameters<typeof representApplications>[1],
): Promise<Application> {
  const [application] = await representApplications([row], parts);
  if (application === undefined) throw new TypeError('one row is shown as one application');
  return application;
}

function representApplication(row: ApplicationRow, address: ServiceAddress): Omit<Application, 'status'> {
  return {
    id: row.id,
    appId: row.appId,
    displayName: row.displayName,
    createdDateTime: dateTime(row.createdAt),
    connectorGroupId: row.connectorGroupId,
    web: { homePageUrl: row.homePageUrl },
    onPremisesPublishing: publishingOf(row, address),
  };
}

export function representServicePrincipal(row: ApplicationRow): ServicePrincipal {
  return {
    id: row.servicePrincipalId,
    appId: row.appId,
    displayName: row.displayName,
    accountEnabled: row.accountEnabled === 1,
    appRoleAssignmentRequired: row.assignmentRequired === 1,
    homepage: row.homePageUrl,
    tags: [...onPremisesTags, ...(row.visibleToUsers === 1 ? [] : [hideAppTag])],
  };
}

/** Connectors as the API shows them, each with the certificate that is valid longest. */
export async function representConnectors(
  rows: readonly ConnectorRow[],
  parts: Pick<ResourceParts, 'directory' | 'isConnectorActive' | 'inactiveAfterDays'>,
): Promise<Connector[]> {
  const { db, now } = parts.directory;
  const certificates = await newestCertificatesOf(
    db,
    rows.map(({ id }) => id),
  );
  return rows.map(row => {
    const certificate = certificates.get(row.id);
    return {
      ...representConnector(row),
      status: statusOf(row, certificate, parts),
      isHidden: isHidden(row, parts.inactiveAfterDays, now()),
      isDraining: isDraining(row),
      region: row.region ?? null,
      certificate: representCertificate(certificate, now()),
    };
  });
}

/** Revoked is for good, and an expired connector stays out once its tunnels have ended; the rest comes and goes. */
function statusOf(
  row: ConnectorRow,
  certificate: NewestCertificate | undefined,
  { directory, isConnectorActive }: Pick<ResourceParts, 'directory' | 'isConnectorActive'>,
): Connector['status'] {
  if (row.revokedAt !== null) return 'revoked';
  if (certificate !== undefined && certificate.notAfter < directory.now()) return 'expired';
  return isConnectorActive(row.id) ? 'active' : 'inactive';
}

function representCertificate(
  certificate: NewestCertificate | undefined,
  now: number,
): Connector['certificate'] {
  if (certificate === undefined) return null;
  return {
    thumbprint: certificate.thumbprint,
    startDateTime: dateTime(certificate.notBefore),
    expirationDateTime: dateTime(certificate.notAfter),
    expiresInDays: daysLeft(certificate, now),
    expiryWarning: dueWarning(certificate, now),
  };
}

function representConnector(
  row: ConnectorRow,
): Omit<Connector, 'status' | 'isHidden' | 'isDraining' | 'certificate'> {
  return {
    id: row.id,
    machineName: row.machineName,
    externalIp: row.externalIp,
    version: row.version,
    os: row.os,
    registeredDateTime: dateTime(row.createdAt),
    lastSeenDateTime: dateTimeOrNull(row.lastSeenAt),
    revokedDateTime: dateTimeOrNull(row.revokedAt),
  };
}

export function representConnectorGroup(row: ConnectorGroupRow): ConnectorGroup {
  return {
    id: row.id,
    name: row.name,
    connectorGroupType: 'applicationProxy',
    isDefault: row.isDefault === 1,
    region: row.region,
  };
}
