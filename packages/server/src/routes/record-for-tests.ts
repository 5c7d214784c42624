import type { ApplicationRecord } from '../feed/messages.ts';

/** An application as the feed brings it, for tests: with sign-in, and nobody assigned. */
export function applicationRecord(
  id: string,
  externalUrl: string,
  internalUrl = 'http://10.0.0.5/',
  more: Partial<ApplicationRecord> = {},
): ApplicationRecord {
  return {
    id,
    displayName: id,
    externalUrl,
    internalUrl,
    preAuthentication: 'preAuthenticated',
    connectorGroupId: 'default',
    assignmentRequired: true,
    assignedUserIds: [],
    assignedGroupIds: [],
    backendTimeoutMs: 85_000,
    translateHostHeader: true,
    validateBackendCertificate: true,
    enabled: true,
    ...more,
  };
}
