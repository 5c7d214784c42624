import { Button, makeStyles, tokens } from '@fluentui/react-components';
import type { Domain } from '@postern/protocol/admin/domains';
import { isWithin } from '@postern/protocol/x509/dns-names';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { connectorGroupsQuery } from '../../api/connector-groups.ts';
import { domainQuery, useRemoveDomain } from '../../api/domains.ts';
import { applicationColumns } from '../../components/application-columns.tsx';
import { Confirmation } from '../../components/confirmation.tsx';
import { DataTable } from '../../components/data-table.tsx';
import { DomainState } from '../../components/domain-state.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { PageButton, PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Moment } from '../../components/moment.tsx';
import { Page } from '../../components/page.tsx';
import { hostsOf } from '../../components/published-hosts.tsx';
import { Section } from '../../components/section.tsx';
import { DomainCertificates } from './domain-certificates.tsx';
import { Proof } from './proof.tsx';
import { ServiceRecords } from './service-records.tsx';

const useStyles = makeStyles({ words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 } });

/** One custom domain: how it is proved, what leads people here, its certificates, and what is published under it. */
export function DomainPage() {
  const { domainId } = useParams({ from: '/domains/$domainId' });
  const query = useQuery(domainQuery(domainId));
  const [isRemoving, setIsRemoving] = useState(false);
  const { data: domain } = query;
  return (
    <Page
      title={domainId}
      above={<PageLink to="/domains">Custom domains</PageLink>}
      lead={domain && <StateSentence domain={domain} />}
      actions={domain !== undefined && <Button onClick={() => setIsRemoving(true)}>Remove</Button>}
    >
      {query.isError && (
        <Failure error={query.error} what="The domain cannot be shown." retry={() => void query.refetch()} />
      )}
      {query.isPending && <Loading what="the domain" />}
      {domain !== undefined && (
        <>
          {!domain.isVerified && <Proof domain={domain} />}
          <ServiceRecords domain={domain} />
          <DomainCertificates domain={domain} />
          <Applications domain={domain} />
          {domain.verificationMethod === 'acme' && <Proof domain={domain} />}
          <Modal isOpen={isRemoving} onClose={() => setIsRemoving(false)}>
            <RemoveForm domain={domain} onClose={() => setIsRemoving(false)} />
          </Modal>
        </>
      )}
    </Page>
  );
}

function StateSentence({ domain }: { readonly domain: Domain }) {
  return (
    <>
      <DomainState domain={domain} /> · <span role="status">{sentenceFor(domain)}</span>
      {domain.verifiedDateTime !== null && (
        <>
          {' '}
          Since <Moment at={domain.verifiedDateTime} />.
        </>
      )}
    </>
  );
}

function sentenceFor({ id, isVerified, verificationMethod }: Domain): string {
  if (!isVerified) return 'Nothing can be published under it until it is proved to be yours.';
  switch (verificationMethod) {
    case 'parent':
      return 'It is proved together with the domain above it.';
    case 'acme':
      return `Its certificate proves ${id} itself, and no name under it.`;
    default:
      return `Applications can be published at ${id} and at names under it.`;
  }
}

function Applications({ domain }: { readonly domain: Domain }) {
  const { data: groups } = useQuery(connectorGroupsQuery);
  const rows = groups?.flatMap(group =>
    group.applications
      .filter(application => hostsOf(application).some(host => isWithin(host, domain.id)))
      .map(application => ({ application, group })),
  );
  return (
    <Section title="Applications" isBare>
      {rows?.length === 0 && (
        <Empty
          title="Nothing is published under it"
          action={domain.isVerified && <PageButton to="/applications/new">Publish an application</PageButton>}
        >
          Give an application an external URL such as https://wiki.{domain.id}/, on its page under Settings.
        </Empty>
      )}
      {rows !== undefined && rows.length > 0 && (
        <DataTable
          label="Applications under this domain"
          columns={applicationColumns}
          rows={rows}
          rowKey={({ application }) => application.id}
        />
      )}
    </Section>
  );
}

interface RemoveFormProps {
  readonly domain: Domain;
  readonly onClose: () => void;
}

function RemoveForm({ domain: { id }, onClose }: RemoveFormProps) {
  const styles = useStyles();
  // A new document rather than a new page: this one goes with the domain, the open modal and what it has hidden behind it.
  const remove = useRemoveDomain(id, () => location.assign('/admin/domains'));
  return (
    <Confirmation
      title={`Remove ${id}`}
      confirm={`Remove ${id}`}
      isDangerous
      isPending={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      <p>
        Only a domain without applications can be removed: give those under it another external URL first.
        Certificates for names under it stay, and serve nobody until it is added and proved again.
      </p>
      <p className={styles.words}>
        Remove its DNS records, too: a name that leads nowhere invites others to take it.
      </p>
    </Confirmation>
  );
}
