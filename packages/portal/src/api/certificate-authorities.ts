import type { CertificateAuthority } from '@postern/protocol/admin/certificate-authorities';
import type { Collection } from '@postern/protocol/admin/collection';
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { change, read } from './client.ts';

const path = '/onPremisesPublishingProfiles/applicationProxy/certificateAuthorities';

export const certificateAuthoritiesQuery = queryOptions({
  queryKey: ['certificate-authorities'],
  queryFn: async ({ signal }) => (await read<Collection<CertificateAuthority>>(path, signal)).value,
  // A rotation goes on by itself.
  refetchInterval: 5_000,
});

/** Exchanges the authority of a name; goes on where that is under way. */
export function useRotateAuthority(name: CertificateAuthority['name']) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => change<Collection<CertificateAuthority>>('POST', `${path}/${name}/rotate`),
    onSuccess: ({ value }) => client.setQueryData(certificateAuthoritiesQuery.queryKey, value),
  });
}
