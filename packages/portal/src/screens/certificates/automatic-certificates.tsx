import { Button, makeStyles, Spinner, tokens } from '@fluentui/react-components';
import type { AutomaticCertificateDescription } from '@postern/protocol/admin/certificates';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { automaticCertificatesQuery, useRenewCertificate } from '../../api/certificates.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Failure } from '../../components/failure.tsx';
import { CheckIcon, CrossIcon, PauseIcon } from '../../components/icons.tsx';
import { Moment } from '../../components/moment.tsx';
import { StateMark, type StateMarkProps } from '../../components/state-mark.tsx';

const useStyles = makeStyles({
  quiet: { color: tokens.colorNeutralForeground3 },
  message: { overflowWrap: 'anywhere', minWidth: '160px' },
  button: { whiteSpace: 'nowrap' },
  working: { justifyContent: 'flex-start' },
});

interface AutomaticCertificatesProps {
  readonly certificates: readonly AutomaticCertificateDescription[];
}

/** What the service gets by itself: how it went, why it failed, and when it is tried again, or now. */
export function AutomaticCertificates({ certificates }: AutomaticCertificatesProps) {
  const styles = useStyles();
  const renew = useRenewCertificate();
  // What an attempt that somebody waits for will change, as it was when it was begun.
  const [begun, setBegun] = useState<Readonly<Record<string, string>>>({});
  const isUnderWay = (one: AutomaticCertificateDescription) => begun[one.id] === outcomeOf(one);
  useQuery(automaticCertificatesQuery(certificates.some(isUnderWay)));
  if (certificates.length === 0) return null;

  const tryNow = (one: AutomaticCertificateDescription) => {
    const begin = (outcome: string) => setBegun(before => ({ ...before, [one.id]: outcome }));
    begin(outcomeOf(one));
    renew.mutate(one.id, { onError: () => begin('') });
  };
  const columns: readonly Column<AutomaticCertificateDescription>[] = [
    { id: 'names', title: 'Names', sortKey: ({ id }) => id, cell: ({ names }) => names.join(', ') },
    {
      id: 'state',
      title: 'State',
      sortKey: ({ status }) => marks[status].word,
      cell: one => (
        <>
          <StateMark {...marks[one.status]} />
          {one.error !== null && (
            <>
              <div className={styles.message}>{one.error.message}</div>
              <div className={styles.quiet}>{one.error.remedy}</div>
            </>
          )}
        </>
      ),
    },
    { id: 'next', title: 'Next', cell: one => <NextStep certificate={one} /> },
    {
      id: 'renew',
      title: 'Actions',
      cell: one => (
        <span role="status">
          {isUnderWay(one) ? (
            <Spinner size="tiny" className={styles.working} label="Asking the authority …" />
          ) : (
            <Button
              size="small"
              className={styles.button}
              aria-label={`${verbFor(one)} now: ${one.id}`}
              onClick={() => tryNow(one)}
            >
              {verbFor(one)} now
            </Button>
          )}
        </span>
      ),
    },
  ];
  return (
    <>
      {renew.error !== null && <Failure error={renew.error} what="It was not begun." />}
      <DataTable
        isWide
        label="Certificates that the service gets by itself"
        columns={columns}
        rows={certificates}
        rowKey={({ id }) => id}
      />
    </>
  );
}

const marks = {
  waiting: { word: 'Not got yet', StateIcon: PauseIcon, tone: 'quiet' },
  issued: { word: 'Got', StateIcon: CheckIcon, tone: 'good' },
  failing: { word: 'Failed', StateIcon: CrossIcon, tone: 'bad' },
} as const satisfies Record<AutomaticCertificateDescription['status'], StateMarkProps>;

/** Another one with every attempt: a new certificate, or one more failure. */
function outcomeOf({
  certificateId,
  failures,
  lastAttemptDateTime,
}: AutomaticCertificateDescription): string {
  return [certificateId, failures, failures > 0 && lastAttemptDateTime].join(' ');
}

function verbFor({ certificateId }: AutomaticCertificateDescription): string {
  return certificateId === null ? 'Get' : 'Renew';
}

function NextStep({ certificate }: { readonly certificate: AutomaticCertificateDescription }) {
  const { status, nextAttemptDateTime, renewDateTime } = certificate;
  if (status === 'failing' && nextAttemptDateTime !== null) {
    return (
      <>
        Tried again <Moment at={nextAttemptDateTime} isRelative />
      </>
    );
  }
  if (status === 'waiting' || renewDateTime === null) return 'Soon';
  return (
    <>
      Renewed <Moment at={renewDateTime} isRelative />
    </>
  );
}
