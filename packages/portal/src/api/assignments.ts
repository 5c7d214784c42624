import type { Collection } from '@postern/protocol/admin/collection';
import type { Group, User } from '@postern/protocol/admin/directory';
import type { AppRoleAssignment } from '@postern/protocol/admin/service-principals';
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { change, containsFilter, read, readAll } from './client.ts';
import { useChange } from './use-change.ts';

/** People and groups that one search finds, of each kind; whoever is not among them is found by more of the name. */
export const principalsShown = 10;

/** Somebody an application can be assigned to. */
export interface Principal {
  readonly id: string;
  readonly type: AppRoleAssignment['principalType'];
  readonly displayName: string;
  /** What tells two of the same name apart. */
  readonly detail: string;
}

/** Whom an application is assigned to; the id is that of its service principal. */
export function assignmentsQuery(servicePrincipalId: string) {
  return queryOptions({
    queryKey: keyOf(servicePrincipalId),
    queryFn: ({ signal }) => readAll<AppRoleAssignment>(pathOf(servicePrincipalId), signal),
    refetchInterval: 15_000,
  });
}

/** Users and groups in whose names a text occurs; the first few of all for an empty one. */
export function principalsQuery(search: string) {
  return queryOptions({
    queryKey: ['principals', search],
    queryFn: async ({ signal }): Promise<Principal[]> => {
      const [groups, users] = await Promise.all([
        read<Collection<Group>>(`/groups?${queryFor(search, ['displayName'])}`, signal),
        read<Collection<User>>(
          `/users?${queryFor(search, ['displayName', 'userPrincipalName', 'mail'])}`,
          signal,
        ),
      ]);
      return [
        ...groups.value.map(({ id, displayName, description }) => ({
          id,
          displayName,
          type: 'Group' as const,
          detail: description ?? '',
        })),
        ...users.value.map(({ id, displayName, userPrincipalName }) => ({
          id,
          displayName,
          type: 'User' as const,
          detail: userPrincipalName,
        })),
      ];
    },
    placeholderData: keepPreviousData,
  });
}

/** Assigns an application to the user or group whose id is given. */
export function useAssign(servicePrincipalId: string) {
  return useAssignmentChange(servicePrincipalId, (principalId: string) =>
    change('POST', pathOf(servicePrincipalId), { principalId, resourceId: servicePrincipalId }),
  );
}

/** Takes the assignment away whose id is given. */
export function useUnassign(servicePrincipalId: string) {
  return useAssignmentChange(servicePrincipalId, (assignmentId: string) =>
    change('DELETE', `${pathOf(servicePrincipalId)}/${assignmentId}`),
  );
}

function useAssignmentChange(servicePrincipalId: string, mutationFn: (id: string) => Promise<void>) {
  return useChange(mutationFn, [keyOf(servicePrincipalId)]);
}

function keyOf(servicePrincipalId: string) {
  return ['assignments', servicePrincipalId] as const;
}

function pathOf(servicePrincipalId: string): string {
  return `/servicePrincipals/${servicePrincipalId}/appRoleAssignedTo`;
}

function queryFor(search: string, properties: readonly string[]): URLSearchParams {
  const query = new URLSearchParams({ $top: String(principalsShown) });
  if (search !== '') query.set('$filter', containsFilter(search, properties));
  return query;
}
