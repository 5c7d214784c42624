import { Button } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { automaticCertificatesQuery, certificatesQuery } from '../../api/certificates.ts';
import { certificateColumns } from '../../components/certificate-columns.tsx';
import { DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Notice } from '../../components/notice.tsx';
import { Page } from '../../components/page.tsx';
import { Section } from '../../components/section.tsx';
import { AutomaticCertificates } from './automatic-certificates.tsx';
import { UploadForm } from './upload-form.tsx';

/** Certificates for the names that people use: uploaded ones, and those that the service gets by itself. */
export function CertificatesPage() {
  const certificates = useQuery(certificatesQuery);
  const automatic = useQuery(automaticCertificatesQuery());
  const [isUploading, setIsUploading] = useState(false);
  const upload = (appearance: 'primary' | 'secondary') => (
    <Button appearance={appearance} onClick={() => setIsUploading(true)}>
      Upload a certificate
    </Button>
  );
  const alarms = certificates.data?.filter(
    ({ expiryWarning, hosts }) => expiryWarning !== null && hosts.length > 0,
  );
  return (
    <Page
      title="Certificates"
      lead="For the names that people use. Each serves every application under its names, at once and on every relay. Keys are sealed and never shown again."
      actions={upload('primary')}
    >
      {certificates.isError && (
        <Failure
          error={certificates.error}
          what="The certificates cannot be shown."
          retry={() => void certificates.refetch()}
        />
      )}
      {certificates.isPending && <Loading what="the certificates" />}
      {alarms !== undefined && alarms.length > 0 && (
        <Notice intent="warning">
          {alarms.length === 1
            ? '1 certificate that is in use expires'
            : `${alarms.length} certificates that are in use expire`}{' '}
          soon or has expired: {alarms.map(({ names }) => names[0]).join(', ')}. Upload a new one in time; it
          takes the place of the old one without cutting a connection.
        </Notice>
      )}
      {certificates.data?.length === 0 && (
        <Empty title="No certificate in the store" action={upload('secondary')}>
          Names under the service’s own domain have those of its configuration. Upload one for names under a
          custom domain, or let the service get them by ACME (certificates.acme in its configuration).
        </Empty>
      )}
      {certificates.data !== undefined && certificates.data.length > 0 && (
        <DataTable
          isWide
          label="Certificates"
          columns={certificateColumns}
          rows={certificates.data}
          rowKey={({ id }) => id}
        />
      )}
      {automatic.isError && (
        <Failure
          error={automatic.error}
          what="What the service gets by itself cannot be shown."
          retry={() => void automatic.refetch()}
        />
      )}
      {automatic.data !== undefined && automatic.data.length > 0 && (
        <Section title="Got automatically" isBare>
          <AutomaticCertificates certificates={automatic.data} />
        </Section>
      )}
      <Modal isOpen={isUploading} onClose={() => setIsUploading(false)}>
        <UploadForm onClose={() => setIsUploading(false)} />
      </Modal>
    </Page>
  );
}
