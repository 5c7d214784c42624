import { Button, makeStyles, tokens } from '@fluentui/react-components';
import type { Domain } from '@postern/protocol/admin/domains';
import { useQuery } from '@tanstack/react-query';
import { dnsRecordsQuery, useVerifyDomain } from '../../api/domains.ts';
import { DnsRecords } from '../../components/dns-records.tsx';
import { Failure } from '../../components/failure.tsx';
import { Loading } from '../../components/loading.tsx';
import { Section } from '../../components/section.tsx';

const useStyles = makeStyles({
  words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 },
  actions: { display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: '12px' },
});

/** The record that proves a domain, and the look whether it is there. */
export function Proof({ domain }: { readonly domain: Domain }) {
  const styles = useStyles();
  const records = useQuery(dnsRecordsQuery(domain.id, 'verificationDnsRecords'));
  const verify = useVerifyDomain(domain.id);
  return (
    <Section title="Prove that it is yours">
      <p className={styles.words}>
        Create this record where the DNS of {domain.id} is kept, then check. Name servers may take some
        minutes until they show it; it may stay there for good.
      </p>
      {records.isPending && <Loading what="the record" />}
      {records.isError && (
        <Failure
          error={records.error}
          what="The record cannot be shown."
          retry={() => void records.refetch()}
        />
      )}
      {records.data !== undefined && <DnsRecords label="Record that proves it" records={records.data} />}
      <div className={styles.actions}>
        <Button appearance="primary" disabledFocusable={verify.isPending} onClick={() => verify.mutate()}>
          Check now
        </Button>
        <span role="status" className={styles.words}>
          {verify.isPending && 'Asking the name servers …'}
        </span>
      </div>
      {verify.error !== null && <Failure error={verify.error} />}
    </Section>
  );
}
