import type { ApplicationRecord, CredentialRecord, UserRecord } from '../feed/messages.ts';

/** Why a request was let through or not: the closed list that logs and pages speak of. */
export type Reason =
  | 'passthrough'
  | 'assigned'
  | 'open_to_everybody'
  | 'credential'
  | 'application_disabled'
  | 'user_disabled'
  | 'not_assigned'
  | 'credential_ended';

export interface Decision {
  readonly allowed: boolean;
  readonly reason: Reason;
}

const passthrough: Decision = { allowed: true, reason: 'passthrough' };
const assigned: Decision = { allowed: true, reason: 'assigned' };
const openToEverybody: Decision = { allowed: true, reason: 'open_to_everybody' };
const credentialHolds: Decision = { allowed: true, reason: 'credential' };
const credentialEnded: Decision = { allowed: false, reason: 'credential_ended' };
const applicationDisabled: Decision = { allowed: false, reason: 'application_disabled' };
const userDisabled: Decision = { allowed: false, reason: 'user_disabled' };
const notAssigned: Decision = { allowed: false, reason: 'not_assigned' };

/**
 * Whether a person may use an application; asked on every request. Nothing that is not plainly allowed is allowed.
 *
 * @param assignedIds Ids of the users and groups assigned to the application.
 * @param user The signed-in person, or null where nobody is; only passthrough applications serve nobody.
 */
export function decide(
  application: Pick<ApplicationRecord, 'enabled' | 'preAuthentication' | 'assignmentRequired'>,
  assignedIds: ReadonlySet<string>,
  user: Pick<UserRecord, 'id' | 'enabled' | 'groupIds'> | null,
): Decision {
  if (!application.enabled) return applicationDisabled;
  if (application.preAuthentication === 'passthrough') return passthrough;
  if (user === null || !user.enabled) return userDisabled;
  if (!application.assignmentRequired) return openToEverybody;
  if (assignedIds.has(user.id)) return assigned;
  for (const groupId of user.groupIds) if (assignedIds.has(groupId)) return assigned;
  return notAssigned;
}

/**
 * Whether a program may use the application that it has a credential of. The credential is the assignment.
 *
 * @param now Milliseconds since the epoch.
 */
export function decideForProgram(
  application: Pick<ApplicationRecord, 'enabled' | 'preAuthentication' | 'credentials'>,
  credential: Pick<CredentialRecord, 'id' | 'expiresAt'>,
  now: number,
): Decision {
  if (!application.enabled) return applicationDisabled;
  if (application.preAuthentication === 'passthrough') return passthrough;
  if (credential.expiresAt <= now) return credentialEnded;
  const isThere = application.credentials?.some(one => one.id === credential.id) === true;
  return isThere ? credentialHolds : credentialEnded;
}
