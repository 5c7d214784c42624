import type { DirectoryRole } from '@postern/protocol/admin/directory';
import { queryOptions } from '@tanstack/react-query';
import { change, readAll, referenceTo } from './client.ts';
import { meQuery } from './me.ts';
import { useChange } from './use-change.ts';
import { membershipsQuery } from './users.ts';

export const rolesQuery = queryOptions({
  queryKey: ['roles'],
  queryFn: ({ signal }) => readAll<DirectoryRole>('/directoryRoles', signal),
  staleTime: Number.POSITIVE_INFINITY,
});

/** Gives roles to a person and takes roles away; input is the id of the role. */
export function useChangeRole(userId: string) {
  return useChange(
    ({ roleId, isHeld }: { readonly roleId: string; readonly isHeld: boolean }) =>
      isHeld
        ? change('POST', `/directoryRoles/${roleId}/members/$ref`, referenceTo(`/users/${userId}`))
        : change('DELETE', `/directoryRoles/${roleId}/members/${userId}/$ref`),
    // Whoever changes their own roles loses or gains pages with it.
    [membershipsQuery(userId).queryKey, meQuery.queryKey],
  );
}
