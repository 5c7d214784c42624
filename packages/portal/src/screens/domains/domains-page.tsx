import { Button } from '@fluentui/react-components';
import type { PublicCertificate } from '@postern/protocol/admin/certificates';
import type { Domain } from '@postern/protocol/admin/domains';
import { isWithin } from '@postern/protocol/x509/dns-names';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { certificatesQuery } from '../../api/certificates.ts';
import { connectorGroupsQuery } from '../../api/connector-groups.ts';
import { domainsQuery } from '../../api/domains.ts';
import { CertificateState } from '../../components/certificate-state.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { DomainState } from '../../components/domain-state.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { CrossIcon } from '../../components/icons.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Page } from '../../components/page.tsx';
import { hostsOf } from '../../components/published-hosts.tsx';
import { StateMark } from '../../components/state-mark.tsx';
import { AddDomainForm } from './add-domain-form.tsx';

/** Custom domains: whether each is proved, and has certificates, and how much is published under it. */
export function DomainsPage() {
  const domains = useQuery(domainsQuery);
  const [isAdding, setIsAdding] = useState(false);
  return (
    <Page
      title="Custom domains"
      lead="Domains of your own, under which applications are published. Each needs the proof that it is yours, DNS records that lead people here, and a certificate."
      actions={
        <Button appearance="primary" onClick={() => setIsAdding(true)}>
          Add a domain
        </Button>
      }
    >
      {domains.isError && (
        <Failure
          error={domains.error}
          what="The domains cannot be shown."
          retry={() => void domains.refetch()}
        />
      )}
      {domains.isPending && <Loading what="the domains" />}
      {domains.data?.length === 0 && (
        <Empty
          title="No custom domain"
          action={<Button onClick={() => setIsAdding(true)}>Add a domain</Button>}
        >
          Applications have names under the service’s own domain without one. Add a domain to give them names
          of your own, such as wiki.contoso.com.
        </Empty>
      )}
      {domains.data !== undefined && domains.data.length > 0 && <DomainList domains={domains.data} />}
      <Modal isOpen={isAdding} onClose={() => setIsAdding(false)}>
        <AddDomainForm onClose={() => setIsAdding(false)} />
      </Modal>
    </Page>
  );
}

function DomainList({ domains }: { readonly domains: readonly Domain[] }) {
  const { data: certificates } = useQuery(certificatesQuery);
  const { data: groups } = useQuery(connectorGroupsQuery);
  const hosts = groups?.flatMap(({ applications }) => applications.map(hostsOf));
  const applicationsUnder = (domain: Domain) =>
    hosts?.filter(some => some.some(host => isWithin(host, domain.id))).length ?? 0;
  const columns: readonly Column<Domain>[] = [
    {
      id: 'name',
      title: 'Domain',
      isGivenName: true,
      sortKey: ({ id }) => id,
      cell: ({ id }) => (
        <PageLink to="/domains/$domainId" params={{ domainId: id }}>
          {id}
        </PageLink>
      ),
    },
    {
      id: 'state',
      title: 'State',
      sortKey: ({ isVerified }) => Number(isVerified),
      cell: domain => <DomainState domain={domain} />,
    },
    {
      id: 'certificate',
      title: 'Certificate',
      cell: domain =>
        certificates === undefined ? '…' : <NextToExpire certificates={servedUnder(domain, certificates)} />,
    },
    {
      id: 'automatic',
      title: 'Automatic certificates',
      isMinor: true,
      sortKey: domain => automaticWord(domain),
      cell: automaticWord,
    },
    {
      id: 'applications',
      title: 'Applications',
      sortKey: applicationsUnder,
      cell: domain => (hosts === undefined ? '…' : applicationsUnder(domain)),
    },
  ];
  return <DataTable label="Custom domains" columns={columns} rows={domains} rowKey={({ id }) => id} />;
}

function automaticWord({ isAutomaticCertificateEnabled }: Domain): string {
  return isAutomaticCertificateEnabled ? 'Yes' : 'No';
}

function servedUnder({ id }: Domain, certificates: readonly PublicCertificate[]): PublicCertificate[] {
  return certificates.filter(({ servedNames }) => servedNames.some(name => isWithin(name, id)));
}

/** Of several certificates the one that needs somebody first. */
function NextToExpire({ certificates }: { readonly certificates: readonly PublicCertificate[] }) {
  const [next] = [...certificates].sort((a, b) => a.expiresInDays - b.expiresInDays);
  if (next === undefined) return <StateMark word="None" StateIcon={CrossIcon} tone="quiet" />;
  return <CertificateState certificate={next} />;
}
