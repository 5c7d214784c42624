import type { ApplicationRecord, UserRecord } from '../feed/messages.ts';

/** Why a request was let through or not: the closed list that logs and pages speak of. */
export type Reason =
  | 'passthrough'
  | 'assigned'
  | 'open_to_everybody'
  | 'application_disabled'
  | 'user_disabled'
  | 'not_assigned';

export interface Decision {
  readonly allowed: boolean;
  readonly reason: Reason;
}

const passthrough: Decision = { allowed: true, reason: 'passthrough' };
const assigned: Decision = { allowed: true, reason: 'assigned' };
const openToEverybody: Decision = { allowed: true, reason: 'open_to_everybody' };
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
