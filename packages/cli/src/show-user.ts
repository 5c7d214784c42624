import { type DirectoryObject, directoryObject, type User } from '@postern/protocol/admin/directory';
import type { AdminClient } from './admin-client.ts';
import { formatTime } from './format-time.ts';
import { formatProperties } from './output.ts';

export interface UserDetails {
  readonly user: User;
  readonly memberOf: readonly DirectoryObject[];
}

export async function readUserDetails(admin: AdminClient, user: User): Promise<UserDetails> {
  return { user, memberOf: await admin.list(`users/${user.id}/memberOf`, directoryObject) };
}

export function formatUserDetails({ user, memberOf }: UserDetails): string {
  const namesOf = (type: DirectoryObject['@odata.type']) =>
    memberOf
      .filter(each => each['@odata.type'] === type)
      .map(each => each.displayName)
      .join(', ');
  return formatProperties([
    ['Name', user.userPrincipalName],
    ['Display name', user.displayName],
    ['Mail', user.mail],
    ['Account', describeAccount(user)],
    ['Roles', namesOf('#microsoft.graph.directoryRole')],
    ['Groups', namesOf('#microsoft.graph.group')],
    ['Created', formatTime(user.createdDateTime)],
    ['Id', user.id],
  ]);
}

export function describeAccount({ accountEnabled, hasPassword }: User): string {
  if (!accountEnabled) {
    return 'disabled';
  }
  return hasPassword ? 'enabled' : 'not signed in yet';
}
