import type { PasswordCredential } from '@postern/protocol/admin/application-credentials';
import type { Collection } from '@postern/protocol/admin/collection';
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { applicationsKey } from './applications.ts';
import { change, read } from './client.ts';

/** The credentials of programs that use an application, those that have expired included. */
export function credentialsQuery(applicationId: string) {
  return queryOptions({
    queryKey: keyOf(applicationId),
    queryFn: async ({ signal }) => {
      const path = `/applications/${applicationId}/passwordCredentials`;
      return (await read<Collection<PasswordCredential>>(path, signal)).value;
    },
    refetchInterval: 15_000,
  });
}

/** What the service answers when it has made a credential: this once with the secret itself. */
interface AddedCredential extends PasswordCredential {
  readonly secretText: string;
}

interface NewCredential {
  readonly displayName?: string;
  readonly endDateTime: string;
  /** A client that gets a further secret; a new one where absent. */
  readonly clientId?: string;
}

export function useAddCredential(applicationId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (passwordCredential: NewCredential) =>
      change<AddedCredential>('POST', `/applications/${applicationId}/addPassword`, { passwordCredential }),
    // The secret goes with the dialog that shows it.
    gcTime: 0,
    onSettled: () => client.invalidateQueries({ queryKey: keyOf(applicationId) }),
  });
}

/** Takes a credential away; input is its key id. */
export function useRemoveCredential(applicationId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (keyId: string) => change('POST', `/applications/${applicationId}/removePassword`, { keyId }),
    onSettled: () => client.invalidateQueries({ queryKey: keyOf(applicationId) }),
  });
}

function keyOf(applicationId: string) {
  return [...applicationsKey, applicationId, 'credentials'] as const;
}
