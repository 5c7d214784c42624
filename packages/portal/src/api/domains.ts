import type { Domain, DomainDnsRecord, DomainFinding } from '@postern/protocol/admin/domains';
import { queryOptions, useMutation } from '@tanstack/react-query';
import { certificatesKey } from './certificates.ts';
import { change, read, readAll } from './client.ts';
import { useChange } from './use-change.ts';

/** Everything about custom domains. */
const domainsKey = ['domains'] as const;

export const domainsQuery = queryOptions({
  queryKey: [...domainsKey, 'all'],
  queryFn: ({ signal }) => readAll<Domain>('/domains', signal),
  refetchInterval: 15_000,
});

/** A custom domain; its id is its name. */
export function domainQuery(id: string) {
  return queryOptions({
    queryKey: [...domainsKey, 'one', id],
    queryFn: ({ signal }) => read<Domain>(pathOf(id), signal),
    refetchInterval: 15_000,
  });
}

/** The DNS records of a domain: those that prove it, or those that lead people to what is published under it. */
export function dnsRecordsQuery(id: string, kind: 'verificationDnsRecords' | 'serviceConfigurationRecords') {
  return queryOptions({
    queryKey: [...domainsKey, kind, id],
    queryFn: ({ signal }) => readAll<DomainDnsRecord>(`${pathOf(id)}/${kind}`, signal),
  });
}

interface NewDomain {
  readonly id: string;
  readonly isAutomaticCertificateEnabled: boolean;
}

export function useAddDomain() {
  return useDomainChange((wanted: NewDomain) => change<Domain>('POST', '/domains', wanted));
}

/** Looks for the record that proves a domain; fails in words where it is not there. */
export function useVerifyDomain(id: string) {
  return useDomainChange(() => change<Domain>('POST', `${pathOf(id)}/verify`));
}

/** Whether the service gets certificates for names under a domain by itself. */
export function useChangeAutomaticCertificates(id: string) {
  return useDomainChange((isAutomaticCertificateEnabled: boolean) =>
    change('PATCH', pathOf(id), { isAutomaticCertificateEnabled }),
  );
}

/** Looks whether the hosts of a domain lead here and have a certificate. */
export function useCheckDomain(id: string) {
  return useMutation({
    mutationFn: async () => {
      const { value } = await change<{ value: DomainFinding[] }>('POST', `${pathOf(id)}/check`);
      return value;
    },
  });
}

/** @param onRemoved Called before the lists are read again: what shows the domain is gone after that. */
export function useRemoveDomain(id: string, onRemoved: () => void) {
  return useDomainChange(() => change('DELETE', pathOf(id)), { onSuccess: onRemoved });
}

function pathOf(id: string): string {
  return `/domains/${encodeURIComponent(id)}`;
}

function useDomainChange<Input = void, Answer = void>(
  mutationFn: (input: Input) => Promise<Answer>,
  more?: { readonly onSuccess: () => void },
) {
  // Which names a certificate serves goes by which domains are verified.
  return useChange(mutationFn, [domainsKey, certificatesKey], more);
}
