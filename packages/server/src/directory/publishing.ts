import {
  backendTimeoutMs,
  type OnPremisesPublishing,
  type OnPremisesPublishingUpdate,
  publishingDefaults,
} from '@postern/protocol/admin/publishing';
import type { ApplicationRecord } from '../feed/messages.ts';
import type { ApplicationRow } from '../store/applications.ts';
import { invalid } from './directory-error.ts';
import {
  defaultExternalUrl,
  externalUrlOf,
  parseExternalUrl,
  parseInternalUrl,
  type ServiceAddress,
} from './published-urls.ts';

/** What `publishingJson` holds; the external URL is without the service's port. */
export type StoredPublishing = Omit<OnPremisesPublishing, 'isOnPremPublishingEnabled'>;

/** How an application is published, as it is shown; null where it has not been configured. */
export function publishingOf(row: ApplicationRow, address: ServiceAddress): OnPremisesPublishing | null {
  const stored = storedPublishing(row);
  if (stored === null) return null;
  return {
    ...stored,
    externalUrl: externalUrlOf(stored.externalUrl, address),
    isOnPremPublishingEnabled: row.accountEnabled === 1,
  };
}

export function storedPublishing(row: Pick<ApplicationRow, 'publishingJson'>): StoredPublishing | null {
  return row.publishingJson === null ? null : (JSON.parse(row.publishingJson) as StoredPublishing);
}

/**
 * Applies an update to how an application is published: what it leaves out stays, or takes its default the first time.
 *
 * @throws DirectoryError `invalid` where a URL cannot be used, or the internal one is missing.
 */
export function updatePublishing(
  row: ApplicationRow,
  update: OnPremisesPublishingUpdate,
  address: ServiceAddress,
): StoredPublishing {
  const before = storedPublishing(row);
  const internalUrl = update.internalUrl ?? before?.internalUrl;
  if (internalUrl === undefined) {
    throw invalid('internalUrl', 'An application needs an internal URL: where the connector reaches it.');
  }
  return {
    ...publishingDefaults,
    ...before,
    ...update,
    internalUrl: parseInternalUrl(internalUrl),
    externalUrl:
      update.externalUrl === undefined
        ? (before?.externalUrl ?? defaultExternalUrl(row.displayName, address))
        : parseExternalUrl(update.externalUrl, address),
  };
}

/** A published application as relays need it; null where it is not published. */
export function applicationRecordOf(
  row: ApplicationRow,
  assigned: { readonly userIds: readonly string[]; readonly groupIds: readonly string[] },
  address: ServiceAddress,
): ApplicationRecord | null {
  const publishing = storedPublishing(row);
  if (publishing === null) return null;
  return {
    id: row.id,
    displayName: row.displayName,
    externalUrl: externalUrlOf(publishing.externalUrl, address),
    internalUrl: publishing.internalUrl,
    preAuthentication:
      publishing.externalAuthenticationType === 'passthru' ? 'passthrough' : 'preAuthenticated',
    connectorGroupId: row.connectorGroupId,
    assignmentRequired: row.assignmentRequired === 1,
    assignedUserIds: assigned.userIds,
    assignedGroupIds: assigned.groupIds,
    backendTimeoutMs: backendTimeoutMs(publishing.applicationServerTimeout),
    translateHostHeader: publishing.isTranslateHostHeaderEnabled,
    validateBackendCertificate: publishing.isBackendCertificateValidationEnabled,
    enabled: row.accountEnabled === 1,
  };
}
