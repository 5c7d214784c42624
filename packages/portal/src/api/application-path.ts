import type { ApplicationTest, ApplicationTestRequest } from '@postern/protocol/admin/application-test';
import type { BackendHealth } from '@postern/protocol/admin/backend-health';
import type { Collection } from '@postern/protocol/admin/collection';
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { applicationsKey } from './applications.ts';
import { change, read } from './client.ts';

/** How the backends of an application fare through each connector of its group. */
export function backendHealthQuery(applicationId: string) {
  return queryOptions({
    queryKey: [...applicationsKey, applicationId, 'backend-health'],
    queryFn: async ({ signal }) => {
      const path = `/applications/${applicationId}/backendHealth`;
      return (await read<Collection<BackendHealth>>(path, signal)).value;
    },
    refetchInterval: 5_000,
  });
}

/** What the last test of an application found, while these pages are open. */
export function applicationTestQuery(applicationId: string) {
  return queryOptions<ApplicationTest>({
    queryKey: ['application-test', applicationId],
    // It is never read, only made.
    enabled: false,
    gcTime: Number.POSITIVE_INFINITY,
  });
}

/** Sends a request to an application on the way that all take. */
export function useTestApplication(applicationId: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (wanted: ApplicationTestRequest) =>
      change<ApplicationTest>('POST', `/applications/${applicationId}/test`, wanted),
    onSuccess: result => client.setQueryData(applicationTestQuery(applicationId).queryKey, result),
  });
}
