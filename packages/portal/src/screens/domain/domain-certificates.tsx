import { Button, Field, makeStyles, Switch, tokens } from '@fluentui/react-components';
import type { Domain } from '@postern/protocol/admin/domains';
import { isWithin } from '@postern/protocol/x509/dns-names';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { automaticCertificatesQuery, certificatesQuery } from '../../api/certificates.ts';
import { useChangeAutomaticCertificates } from '../../api/domains.ts';
import { certificateColumns } from '../../components/certificate-columns.tsx';
import { DataTable } from '../../components/data-table.tsx';
import { Failure } from '../../components/failure.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Section } from '../../components/section.tsx';
import { AutomaticCertificates } from '../certificates/automatic-certificates.tsx';
import { UploadForm } from '../certificates/upload-form.tsx';

const useStyles = makeStyles({
  words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 },
  actions: { display: 'flex', flexWrap: 'wrap', alignItems: 'start', gap: '12px' },
});

/** The certificates for names under one domain, and where they come from. */
export function DomainCertificates({ domain }: { readonly domain: Domain }) {
  const styles = useStyles();
  const certificates = useQuery(certificatesQuery);
  const { data: automatic = [] } = useQuery(automaticCertificatesQuery());
  const [isUploading, setIsUploading] = useState(false);
  const rows = certificates.data?.filter(({ names }) => names.some(name => isWithin(name, domain.id)));
  return (
    <Section title="Certificates">
      {certificates.isPending && <Loading what="the certificates" />}
      {certificates.isError && (
        <Failure
          error={certificates.error}
          what="The certificates cannot be shown."
          retry={() => void certificates.refetch()}
        />
      )}
      {rows?.length === 0 && (
        <p className={styles.words}>
          None is in the store for {domain.id} or a name under it. Browsers refuse to open what no certificate
          covers.
        </p>
      )}
      {rows !== undefined && rows.length > 0 && (
        <DataTable
          isWide
          label="Certificates of this domain"
          columns={certificateColumns}
          rows={rows}
          rowKey={({ id }) => id}
        />
      )}
      <AutomaticCertificates
        certificates={automatic.filter(({ names }) => names.some(name => isWithin(name, domain.id)))}
      />
      <AutomaticSwitch domain={domain} />
      <div className={styles.actions}>
        <Button disabled={!domain.isVerified} onClick={() => setIsUploading(true)}>
          Upload a certificate
        </Button>
      </div>
      <Modal isOpen={isUploading} onClose={() => setIsUploading(false)}>
        <UploadForm onClose={() => setIsUploading(false)} />
      </Modal>
    </Section>
  );
}

function AutomaticSwitch({ domain }: { readonly domain: Domain }) {
  const set = useChangeAutomaticCertificates(domain.id);
  return (
    <>
      <Field hint="By ACME, where the service is set up for it, for every published name that no uploaded certificate covers.">
        <Switch
          label="Get certificates automatically"
          checked={set.isPending ? set.variables : domain.isAutomaticCertificateEnabled}
          disabled={set.isPending}
          onChange={(_event, { checked }) => set.mutate(checked)}
        />
      </Field>
      {set.error !== null && <Failure error={set.error} what="It was not changed." />}
    </>
  );
}
