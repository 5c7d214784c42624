import { Button, makeStyles, tokens } from '@fluentui/react-components';
import type { Domain, DomainFinding } from '@postern/protocol/admin/domains';
import { useQuery } from '@tanstack/react-query';
import { dnsRecordsQuery, useCheckDomain } from '../../api/domains.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { DnsRecords } from '../../components/dns-records.tsx';
import { Failure } from '../../components/failure.tsx';
import { CheckIcon, CrossIcon, WarningIcon } from '../../components/icons.tsx';
import { Loading } from '../../components/loading.tsx';
import { Notice } from '../../components/notice.tsx';
import { Section } from '../../components/section.tsx';
import { StateMark, type StateMarkProps } from '../../components/state-mark.tsx';

const useStyles = makeStyles({
  words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 },
  actions: { display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: '12px' },
  remedy: { color: tokens.colorNeutralForeground3 },
});

/** What leads people to the service, and the look whether it does and whether a certificate is there. */
export function ServiceRecords({ domain }: { readonly domain: Domain }) {
  const styles = useStyles();
  const records = useQuery(dnsRecordsQuery(domain.id, 'serviceConfigurationRecords'));
  const check = useCheckDomain(domain.id);
  return (
    <Section title="Records that lead people here">
      <p className={styles.words}>
        One for each name that is published; a wildcard such as *.{domain.id} does for all of them. Inside
        your network the same names may lead straight to the applications.
      </p>
      {records.isPending && <Loading what="the records" />}
      {records.isError && (
        <Failure
          error={records.error}
          what="The records cannot be shown."
          retry={() => void records.refetch()}
        />
      )}
      {records.data?.length === 0 && (
        <Notice intent="warning">
          The service itself has no address in DNS yet, so there is nothing that a record could lead to.
          “postern doctor” on its machine says which records it needs.
        </Notice>
      )}
      {records.data !== undefined && records.data.length > 0 && (
        <DnsRecords label="Records that lead people here" records={records.data} />
      )}
      <div className={styles.actions}>
        <Button disabledFocusable={check.isPending} onClick={() => check.mutate()}>
          Check names and certificates
        </Button>
        <span role="status" className={styles.words}>
          {check.isPending ? 'Asking the name servers …' : check.data !== undefined && summaryOf(check.data)}
        </span>
      </div>
      {check.error !== null && <Failure error={check.error} what="It could not be checked." />}
      {check.data !== undefined && (
        <DataTable
          isWide
          label="What was found"
          columns={columnsWith(styles.remedy)}
          rows={check.data}
          rowKey={({ host, check: what }) => `${host} ${what}`}
        />
      )}
    </Section>
  );
}

function summaryOf(findings: readonly DomainFinding[]): string {
  const wrong = findings.filter(({ status }) => status !== 'ok').length;
  return wrong === 0 ? 'Everything is as it should be.' : `${wrong} of ${findings.length} need attention.`;
}

const marks = {
  ok: { word: 'OK', StateIcon: CheckIcon, tone: 'good' },
  warning: { word: 'Warning', StateIcon: WarningIcon, tone: 'warning' },
  failed: { word: 'Failed', StateIcon: CrossIcon, tone: 'bad' },
} as const satisfies Record<DomainFinding['status'], StateMarkProps>;

function columnsWith(remedyClass: string): readonly Column<DomainFinding>[] {
  return [
    { id: 'host', title: 'Name', cell: ({ host }) => host },
    {
      id: 'check',
      title: 'Checked',
      cell: ({ check }) => (check === 'dns' ? 'DNS' : 'Certificate'),
    },
    { id: 'status', title: 'State', cell: ({ status }) => <StateMark {...marks[status]} /> },
    {
      id: 'detail',
      title: 'Found',
      cell: ({ detail, remedy }) => (
        <>
          {detail.replace(/^the /, 'The ')}
          {remedy !== null && <div className={remedyClass}>{remedy}</div>}
        </>
      ),
    },
  ];
}
