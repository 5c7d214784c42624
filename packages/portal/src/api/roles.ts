import type { DirectoryRole } from '@postern/protocol/admin/directory';
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { change, readAll, referenceTo } from './client.ts';
import { meQuery } from './me.ts';
import { membershipsQuery } from './users.ts';

export const rolesQuery = queryOptions({
  queryKey: ['roles'],
  queryFn: ({ signal }) => readAll<DirectoryRole>('/directoryRoles', signal),
  staleTime: Number.POSITIVE_INFINITY,
});

/** Gives roles to a person and takes roles away; input is the id of the role. */
export function useChangeRole(userId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ roleId, isHeld }: { readonly roleId: string; readonly isHeld: boolean }) =>
      isHeld
        ? change('POST', `/directoryRoles/${roleId}/members/$ref`, referenceTo(`/users/${userId}`))
        : change('DELETE', `/directoryRoles/${roleId}/members/${userId}/$ref`),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: membershipsQuery(userId).queryKey }),
        // Whoever changes their own roles loses or gains pages with it.
        client.invalidateQueries({ queryKey: meQuery.queryKey }),
      ]),
  });
}
