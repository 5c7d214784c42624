import type { Application } from '@postern/protocol/admin/applications';
import { type BackendHealth, backendHealth } from '@postern/protocol/admin/backend-health';
import { type ConnectorGroup, connectorGroup } from '@postern/protocol/admin/connectors';
import {
  type AppRoleAssignment,
  appRoleAssignment,
  hideAppTag,
  type ServicePrincipal,
} from '@postern/protocol/admin/service-principals';
import type { AdminClient } from './admin-client.ts';
import { findServicePrincipal } from './find-object.ts';
import { formatProperties } from './output.ts';
import { fullStatus } from './show-application-status.ts';
import { formatBackendHealth } from './show-backends.ts';

/** Everything that belongs to one application, gathered from the resources that hold it. */
export interface ApplicationDetails {
  readonly application: Application;
  readonly servicePrincipal: ServicePrincipal;
  readonly connectorGroup: ConnectorGroup;
  readonly assignments: readonly AppRoleAssignment[];
  readonly backendHealth: readonly BackendHealth[];
}

export async function readApplicationDetails(
  admin: AdminClient,
  application: Application,
): Promise<ApplicationDetails> {
  const servicePrincipal = await findServicePrincipal(admin, application);
  const [group, assignments, health] = await Promise.all([
    admin.get(`applications/${application.id}/connectorGroup`, connectorGroup),
    admin.list(`servicePrincipals/${servicePrincipal.id}/appRoleAssignedTo`, appRoleAssignment),
    admin.list(`applications/${application.id}/backendHealth`, backendHealth),
  ]);
  return { application, servicePrincipal, connectorGroup: group, assignments, backendHealth: health };
}

export function formatApplicationDetails(details: ApplicationDetails): string {
  const { application, servicePrincipal } = details;
  const { onPremisesPublishing: publishing } = application;
  const properties = formatProperties([
    ['Name', application.displayName],
    ['Status', fullStatus(application)],
    ['External URL', publishing?.externalUrl ?? null],
    ['Internal URL', publishing?.internalUrl ?? null],
    ...(typeof publishing?.alternateUrl === 'string'
      ? [['Alternate URL', publishing.alternateUrl] as const]
      : []),
    ...(isWildcard(application) ? [['Needs certificate', wildcardOf(application)] as const] : []),
    ['Sign-in', publishing && describeSignIn(publishing.externalAuthenticationType)],
    ['Connector group', details.connectorGroup.name],
    ['Enabled', yesNo(servicePrincipal.accountEnabled)],
    ...(publishing?.maintenanceMode.isEnabled ? [['In maintenance', 'yes'] as const] : []),
    ['Who may use it', describeAudience(details)],
    ['In My Apps', describeTile(details)],
    ['Home page', application.web.homePageUrl],
    ['Backend timeout', publishing && describeTimeout(publishing.applicationServerTimeout)],
    ['Translate host', publishing && yesNo(publishing.isTranslateHostHeaderEnabled)],
    ['Translate links', publishing && yesNo(publishing.isTranslateLinksInBodyEnabled)],
    ['Verify backend', publishing && yesNo(publishing.isBackendCertificateValidationEnabled)],
    ...(publishing && publishing.backendProtocol !== 'http1'
      ? [['Backend protocol', publishing.backendProtocol] as const]
      : []),
    ...(publishing?.isSessionAffinityEnabled ? [['Session affinity', 'yes'] as const] : []),
    ['Id', application.id],
    ['Application id', application.appId],
  ]);
  const health = formatBackendHealth(details.backendHealth);
  return health === '' ? properties : `${properties}\n\n${health}`;
}

function wildcardOf({ onPremisesPublishing }: Application): string {
  return new URL(onPremisesPublishing?.externalUrl ?? 'about:blank').hostname;
}

function isWildcard(application: Application): boolean {
  return wildcardOf(application).startsWith('*.');
}

function describeTile({ application, servicePrincipal }: ApplicationDetails): string {
  if (servicePrincipal.tags.includes(hideAppTag)) return 'no';
  return isWildcard(application) && application.web.homePageUrl === null ? 'no, it has no home page' : 'yes';
}

function describeSignIn(type: 'aadPreAuthentication' | 'passthru'): string {
  return type === 'passthru' ? 'passthrough' : 'pre-authenticated';
}

function describeAudience({ application, servicePrincipal, assignments }: ApplicationDetails): string {
  if (application.onPremisesPublishing?.externalAuthenticationType === 'passthru') {
    return 'whoever the backend lets in';
  }
  if (!servicePrincipal.appRoleAssignmentRequired) {
    return 'every user';
  }
  const names = assignments.map(({ principalType, principalDisplayName }) =>
    principalType === 'Group' ? `group ${principalDisplayName}` : principalDisplayName,
  );
  return names.length === 0 ? 'nobody yet' : names.join(', ');
}

function describeTimeout(timeout: 'default' | 'long' | number): string {
  return `${timeout === 'default' ? 85 : timeout === 'long' ? 180 : timeout} seconds`;
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}
