import { Button } from '@fluentui/react-components';
import type { PublicCertificate } from '@postern/protocol/admin/certificates';
import { nameCovers } from '@postern/protocol/x509/dns-names';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { certificateQuery, certificatesQuery, useDeleteCertificate } from '../../api/certificates.ts';
import { isOfService, sourceWords } from '../../components/certificate-columns.tsx';
import { CertificateState } from '../../components/certificate-state.tsx';
import { Confirmation } from '../../components/confirmation.tsx';
import { CopyText } from '../../components/copy-text.tsx';
import { Facts } from '../../components/facts.tsx';
import { Failure } from '../../components/failure.tsx';
import { PageButton, PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Moment } from '../../components/moment.tsx';
import { Notice } from '../../components/notice.tsx';
import { Page } from '../../components/page.tsx';
import { ApplicationsAt } from '../../components/published-hosts.tsx';
import { Section } from '../../components/section.tsx';

/** One certificate for public names: which it is, whom it serves, and until when. */
export function CertificatePage() {
  const { certificateId } = useParams({ from: '/certificates/$certificateId' });
  const query = useQuery(certificateQuery(certificateId));
  const [isDeleting, setIsDeleting] = useState(false);
  const { data: certificate } = query;
  return (
    <Page
      title={certificate?.names[0] ?? 'Certificate'}
      above={<PageLink to="/certificates">Certificates</PageLink>}
      lead={
        certificate && (
          <>
            <CertificateState certificate={certificate} /> · {sourceWords[certificate.source]}, for{' '}
            {certificate.names.join(', ')}
          </>
        )
      }
      actions={certificate !== undefined && <Button onClick={() => setIsDeleting(true)}>Delete</Button>}
    >
      {query.isError && (
        <Failure
          error={query.error}
          what="The certificate cannot be shown."
          retry={() => void query.refetch()}
        />
      )}
      {query.isPending && <Loading what="the certificate" />}
      {certificate !== undefined && (
        <>
          <Alarms certificate={certificate} />
          <Use certificate={certificate} />
          <Details certificate={certificate} />
          <Modal isOpen={isDeleting} onClose={() => setIsDeleting(false)}>
            <DeleteForm certificate={certificate} onClose={() => setIsDeleting(false)} />
          </Modal>
        </>
      )}
    </Page>
  );
}

interface CertificateProps {
  readonly certificate: PublicCertificate;
}

function Alarms({ certificate }: CertificateProps) {
  const { names, servedNames, expiryWarning, source } = certificate;
  const left = names.filter(name => !servedNames.includes(name));
  return (
    <>
      {expiryWarning !== null && (
        <Notice intent="warning">
          {expiryWarning === 0
            ? 'It has expired: browsers refuse to open what it serves.'
            : 'It expires soon.'}{' '}
          {source === 'uploaded'
            ? 'Upload the one that follows; it takes its place at once.'
            : 'The service should have renewed it: the list of certificates says why it could not.'}
        </Notice>
      )}
      {left.length > 0 && (
        <Notice intent="info" actions={<PageButton to="/domains">Custom domains</PageButton>}>
          Not used, since no verified domain has them: {left.join(', ')}.
        </Notice>
      )}
    </>
  );
}

function Use({ certificate: { servedNames, hosts } }: CertificateProps) {
  return (
    <Section title="Use">
      <Facts
        rows={[
          ['Names that it is used for', servedNames.join(', ') || 'None'],
          ['Published hosts that get it', hosts.join(', ') || 'None'],
          ['Applications', <ApplicationsAt key="applications" hosts={hosts} />],
          isOfService(servedNames)
            ? ['The service itself', 'Its own names, such as that of this page']
            : null,
        ]}
      />
    </Section>
  );
}

function Details({ certificate }: CertificateProps) {
  const { subjectName, issuerName, startDateTime, expirationDateTime, renewDateTime } = certificate;
  const { createdDateTime, source, thumbprint, id } = certificate;
  return (
    <Section title="Details">
      <Facts
        rows={[
          ['Valid from', <Moment key="from" at={startDateTime} />],
          ['Valid until', <Moment key="until" at={expirationDateTime} />],
          renewDateTime === null
            ? ['Renewal', 'By hand: upload the one that follows']
            : ['Renewed by itself', <Moment key="renewed" at={renewDateTime} />],
          ['Subject', subjectName],
          ['Issuer', issuerName],
          ['Thumbprint (SHA-1)', <CopyText key="thumbprint" text={thumbprint} what="thumbprint" />],
          [source === 'uploaded' ? 'Uploaded' : 'Got', <Moment key="created" at={createdDateTime} />],
          ['Certificate id', <CopyText key="id" text={id} what="certificate id" />],
        ]}
      />
    </Section>
  );
}

function DeleteForm({ certificate, onClose }: CertificateProps & { readonly onClose: () => void }) {
  // A new document rather than a new page: this one goes with the certificate, the open modal and what it has hidden behind it.
  const remove = useDeleteCertificate(certificate.id, () => location.assign('/admin/certificates'));
  const { data: certificates = [] } = useQuery(certificatesQuery);
  const others = certificates.filter(({ id, expiresInDays }) => id !== certificate.id && expiresInDays > 0);
  const isCovered = (host: string) =>
    others.some(({ servedNames }) => servedNames.some(name => nameCovers(name, host)));
  const isOwn = isOfService(certificate.servedNames);
  const covered = certificate.hosts.filter(isCovered);
  const bare = certificate.hosts.filter(host => !isCovered(host));
  return (
    <Confirmation
      title={`Delete the certificate for ${certificate.names[0]}`}
      confirm="Delete"
      isDangerous
      isPending={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      {certificate.hosts.length === 0 && !isOwn && <p>No published host uses it.</p>}
      {isOwn && (
        <p>
          It serves names of the service itself, such as that of this page: without another certificate for
          them nobody signs in.
        </p>
      )}
      {covered.length > 0 && <p>Another certificate of the store takes over at {covered.join(', ')}.</p>}
      {bare.length > 0 && (
        <p>
          Browsers refuse to open {bare.join(', ')} from then on, until there is another certificate; where
          automatic certificates are on, the service gets one.
        </p>
      )}
      <p>It is deleted with its private key. It cannot be undone.</p>
    </Confirmation>
  );
}
