import type { KeyCredential, PasswordCredential } from '@postern/protocol/admin/application-credentials';
import type { Collection } from '@postern/protocol/admin/collection';
import { queryOptions } from '@tanstack/react-query';
import { applicationsKey } from './applications.ts';
import { change, read } from './client.ts';
import { useChange } from './use-change.ts';

/** A secret of a program, or a certificate of one. */
export type ApplicationCredential = PasswordCredential | KeyCredential;

/** The credentials of programs that use an application, those that have expired included. */
export function credentialsQuery(applicationId: string) {
  return queryOptions({
    queryKey: keyOf(applicationId),
    queryFn: async ({ signal }): Promise<ApplicationCredential[]> => {
      const path = `/applications/${applicationId}`;
      const [secrets, certificates] = await Promise.all([
        read<Collection<PasswordCredential>>(`${path}/passwordCredentials`, signal),
        read<Collection<KeyCredential>>(`${path}/keyCredentials`, signal),
      ]);
      return [...secrets.value, ...certificates.value];
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
  return useChange(
    (passwordCredential: NewCredential) =>
      change<AddedCredential>('POST', `/applications/${applicationId}/addPassword`, { passwordCredential }),
    [keyOf(applicationId)],
    // The secret goes with the dialog that shows it.
    { gcTime: 0 },
  );
}

/** Takes a credential away. */
export function useRemoveCredential(applicationId: string) {
  return useChange(
    (credential: ApplicationCredential) => {
      const verb = 'sha256' in credential ? 'removeKey' : 'removePassword';
      return change('POST', `/applications/${applicationId}/${verb}`, { keyId: credential.keyId });
    },
    [keyOf(applicationId)],
  );
}

function keyOf(applicationId: string) {
  return [...applicationsKey, applicationId, 'credentials'] as const;
}
