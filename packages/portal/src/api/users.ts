import type { Collection } from '@postern/protocol/admin/collection';
import type { DirectoryObject, User } from '@postern/protocol/admin/directory';
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { containsFilter, nextPath, read, readAll } from './client.ts';

/** Rows that a list of users grows by. */
const pageSize = 50;

/** Users in whose names or mail address a text occurs; page by page, since there may be many thousands. */
export function usersQuery(search: string) {
  const query = new URLSearchParams({ $top: String(pageSize) });
  if (search !== '')
    query.set('$filter', containsFilter(search, ['displayName', 'userPrincipalName', 'mail']));
  return infiniteQueryOptions({
    queryKey: ['users', 'list', search],
    queryFn: ({ pageParam, signal }) => read<Collection<User>>(pageParam, signal),
    initialPageParam: `/users?${query}`,
    getNextPageParam: nextPath,
    placeholderData: keepPreviousData,
  });
}

export function userQuery(id: string) {
  return queryOptions({
    queryKey: ['users', 'one', id],
    queryFn: ({ signal }) => read<User>(`/users/${id}`, signal),
  });
}

/** The groups and roles of a person. */
export function membershipsQuery(id: string) {
  return queryOptions({
    queryKey: ['users', 'memberships', id],
    queryFn: ({ signal }) => readAll<DirectoryObject>(`/users/${id}/memberOf`, signal),
  });
}
