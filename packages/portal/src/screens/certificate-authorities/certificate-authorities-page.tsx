import { Button, makeStyles, tokens } from '@fluentui/react-components';
import type { CertificateAuthority } from '@postern/protocol/admin/certificate-authorities';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { certificateAuthoritiesQuery, useRotateAuthority } from '../../api/certificate-authorities.ts';
import { meQuery } from '../../api/me.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { CopyText } from '../../components/copy-text.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Failure } from '../../components/failure.tsx';
import { CheckIcon, PauseIcon } from '../../components/icons.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Moment } from '../../components/moment.tsx';
import { holdsRole } from '../../components/needs-role.tsx';
import { Notice } from '../../components/notice.tsx';
import { Page } from '../../components/page.tsx';
import { Section } from '../../components/section.tsx';
import { StateMark, type StateMarkProps } from '../../components/state-mark.tsx';

type AuthorityName = CertificateAuthority['name'];

const useStyles = makeStyles({
  words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 },
  list: { margin: 0, paddingLeft: '20px', display: 'flex', flexDirection: 'column', gap: '4px' },
  actions: { display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: '12px' },
  stages: { margin: 0, paddingLeft: '20px', display: 'flex', flexDirection: 'column', gap: '8px' },
});

/** The authorities that connectors and the service trust, and their exchange, which strands nobody. */
export function CertificateAuthoritiesPage() {
  const query = useQuery(certificateAuthoritiesQuery);
  const names = [...new Set(query.data?.map(({ name }) => name))];
  return (
    <Page
      title="Certificate authorities"
      lead="By these, connectors and the service recognise each other. The service exchanges each in time before it expires; you need to only where a key may have become known."
    >
      {query.isError && (
        <Failure
          error={query.error}
          what="The authorities cannot be shown."
          retry={() => void query.refetch()}
        />
      )}
      {query.isPending && <Loading what="the authorities" />}
      {names.map(name => (
        <Authority key={name} name={name} states={query.data?.filter(one => one.name === name) ?? []} />
      ))}
    </Page>
  );
}

interface AuthorityWords {
  readonly title: string;
  readonly what: string;
  readonly stages: readonly string[];
}

const words: Readonly<Record<AuthorityName, AuthorityWords>> = {
  registration: {
    title: 'Registration authority',
    what: 'Issues the trust certificates of connectors. Its list of revoked certificates is made anew every day, and with every revocation.',
    stages: [
      'A new authority is made. Every relay trusts it, beside the present one.',
      'As soon as every relay does, it signs: connectors that register or renew get certificates of it.',
      'The former one signs nothing any more. It is trusted, and its list of revoked certificates served, until the last certificate that it issued has expired.',
    ],
  },
  service: {
    title: 'Authority of the service',
    what: 'Issues the certificate by which connectors recognise the service when they connect.',
    stages: [
      'A new authority is made. Connectors are told of it over their tunnels, and keep it.',
      'When every connector that could come back has said that it keeps it, it signs. Revoke connectors that never will come back.',
      'The former one stays announced until the last trust certificate has expired, so that a backup from before still finds its connectors.',
    ],
  },
  local: {
    title: 'Local authority',
    what: 'Issues the certificate of the public names. People trust it on their machines.',
    stages: [
      'A new authority is made, and stands in the file that people import (certificates/local-ca.pem in the data folder) beside the present one.',
      'After 90 days it signs. By then everybody should trust it: install the file anew where the present one is trusted.',
      'For a year, whoever trusts only the former one is shown a certificate of the new one that the former one has issued; most programs accept that.',
    ],
  },
};

interface AuthorityProps {
  readonly name: AuthorityName;
  /** The oldest first. */
  readonly states: readonly CertificateAuthority[];
}

function Authority({ name, states }: AuthorityProps) {
  const styles = useStyles();
  const { data: me } = useQuery(meQuery);
  const [isRotating, setIsRotating] = useState(false);
  const { title, what } = words[name];
  const next = states.find(({ state }) => state === 'announced');
  return (
    <Section title={title}>
      <p className={styles.words}>{what}</p>
      <DataTable isWide label={title} columns={columns} rows={states} rowKey={({ sha256 }) => sha256} />
      {next !== undefined && <Progress next={next} />}
      {next === undefined && me !== undefined && (
        <div className={styles.actions}>
          <Button
            aria-label={`Rotate: ${title}`}
            disabled={!holdsRole(me, 'Global Administrator')}
            onClick={() => setIsRotating(true)}
          >
            Rotate
          </Button>
          {!holdsRole(me, 'Global Administrator') && (
            <span className={styles.words}>A Global Administrator can.</span>
          )}
        </div>
      )}
      <Modal isOpen={isRotating} onClose={() => setIsRotating(false)}>
        <RotateForm name={name} onClose={() => setIsRotating(false)} />
      </Modal>
    </Section>
  );
}

const marks = {
  announced: { word: 'Next: trusted, does not sign yet', StateIcon: PauseIcon, tone: 'warning' },
  signing: { word: 'Current: signs', StateIcon: CheckIcon, tone: 'good' },
  former: { word: 'Retired: trusted for a while', StateIcon: PauseIcon, tone: 'quiet' },
} as const satisfies Record<CertificateAuthority['state'], StateMarkProps>;

const columns: readonly Column<CertificateAuthority>[] = [
  { id: 'state', title: 'State', cell: ({ state }) => <StateMark {...marks[state]} /> },
  { id: 'expires', title: 'Expires', cell: ({ expirationDateTime }) => <Moment at={expirationDateTime} /> },
  {
    id: 'trusted',
    title: 'Trusted until',
    cell: ({ retirementDateTime, expirationDateTime }) => (
      <Moment at={retirementDateTime ?? expirationDateTime} />
    ),
  },
  { id: 'since', title: 'Made', isMinor: true, cell: ({ startDateTime }) => <Moment at={startDateTime} /> },
  {
    id: 'sha256',
    title: 'SHA-256',
    isMinor: true,
    cell: ({ sha256 }) => <CopyText text={`${sha256.slice(0, 12)}…`} copied={sha256} what="SHA-256" />,
  },
];

/** What a rotation that is under way waits for. */
function Progress({
  next: { waitsFor, waitsForCount, signingDateTime },
}: {
  readonly next: CertificateAuthority;
}) {
  const styles = useStyles();
  if (signingDateTime !== null) {
    return (
      <Notice intent="info">
        The new authority signs from <Moment at={signingDateTime} /> on. Install the service's file
        certificates/local-ca.pem by then on every machine where the present one is trusted.
      </Notice>
    );
  }
  if (waitsForCount === 0) {
    return (
      <Notice intent="info">
        Everybody who has to trust the new authority does: it signs within a minute.
      </Notice>
    );
  }
  const left = waitsForCount - waitsFor.length;
  return (
    <>
      <Notice intent="info">
        The rotation is under way. The new authority signs when{' '}
        {waitsForCount === 1 ? 'this connector has' : `these ${waitsForCount} connectors have`} connected, or
        been revoked.
      </Notice>
      <ul className={styles.list} aria-label="Connectors that are waited for">
        {waitsFor.map(({ id, machineName, lastSeenDateTime }) => (
          <li key={id}>
            <PageLink to="/connectors/$connectorId" params={{ connectorId: id }}>
              {machineName}
            </PageLink>
            , {lastSeenDateTime === null ? 'never seen' : <Seen at={lastSeenDateTime} />}
          </li>
        ))}
        {left > 0 && <li>and {left} more</li>}
      </ul>
    </>
  );
}

function Seen({ at }: { readonly at: string }) {
  return (
    <>
      seen <Moment at={at} isRelative />
    </>
  );
}

interface RotateFormProps {
  readonly name: AuthorityName;
  readonly onClose: () => void;
}

function RotateForm({ name, onClose }: RotateFormProps) {
  const styles = useStyles();
  const rotate = useRotateAuthority(name);
  const { title, stages } = words[name];
  return (
    <Confirmation
      title={`Rotate: ${title}`}
      confirm="Rotate"
      isPending={rotate.isPending}
      error={rotate.error}
      onConfirm={() => rotate.mutate(undefined, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>Nobody has to register again, and no tunnel is cut. This happens, and cannot be turned back:</p>
      <ol className={styles.stages}>
        {stages.map(stage => (
          <li key={stage}>{stage}</li>
        ))}
      </ol>
    </Confirmation>
  );
}
