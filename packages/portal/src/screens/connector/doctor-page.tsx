import { Button, makeStyles, tokens } from '@fluentui/react-components';
import type { Connector } from '@postern/protocol/admin/connectors';
import type { CheckGroup, CheckResult, DoctorReport } from '@postern/protocol/doctor';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { connectorReportQuery, useExamineConnector } from '../../api/connectors.ts';
import { CopyBlock } from '../../components/copy-text.tsx';
import { Empty } from '../../components/empty.tsx';
import { Facts } from '../../components/facts.tsx';
import { Failure } from '../../components/failure.tsx';
import { CheckIcon, CrossIcon, PauseIcon, WarningIcon } from '../../components/icons.tsx';
import { Moment } from '../../components/moment.tsx';
import { Notice } from '../../components/notice.tsx';
import { Section } from '../../components/section.tsx';
import { StateMark, type StateMarkProps } from '../../components/state-mark.tsx';
import { ConnectorFrame } from './connector-frame.tsx';

const useStyles = makeStyles({
  start: { display: 'flex', flexWrap: 'wrap', alignItems: 'center', gap: '12px' },
  quiet: { color: tokens.colorNeutralForeground3 },
  summary: { color: tokens.colorNeutralForeground3, cursor: 'pointer', paddingBottom: '4px' },
  list: { listStyleType: 'none', padding: 0, display: 'flex', flexDirection: 'column' },
  check: {
    display: 'grid',
    alignItems: 'start',
    gridTemplateColumns: '96px minmax(0, 1fr)',
    columnGap: '16px',
    rowGap: '8px',
    padding: '10px 0',
    ':not(:first-child)': { borderTop: `1px solid ${tokens.colorNeutralStroke2}` },
    '@media (max-width: 520px)': { gridTemplateColumns: 'minmax(0, 1fr)' },
  },
  words: { display: 'flex', flexDirection: 'column', gap: '8px', minWidth: 0, overflowWrap: 'anywhere' },
  seen: { color: tokens.colorNeutralForeground3 },
});

/** Lets one connector look at itself, and shows what it found. */
export function ConnectorDoctorPage() {
  const { connectorId } = useParams({ from: '/connectors/$connectorId/doctor' });
  return (
    <ConnectorFrame connectorId={connectorId}>{connector => <Doctor connector={connector} />}</ConnectorFrame>
  );
}

function Doctor({ connector }: { readonly connector: Connector }) {
  const styles = useStyles();
  const examine = useExamineConnector(connector.id);
  const { data: report } = useQuery(connectorReportQuery(connector.id));
  if (connector.status === 'revoked') {
    return <Empty title="A revoked connector is not asked">Its certificate is refused for good.</Empty>;
  }
  return (
    <>
      <div className={styles.start}>
        <Button
          appearance={report === undefined ? 'primary' : 'secondary'}
          disabledFocusable={examine.isPending}
          onClick={() => examine.mutate()}
        >
          {report === undefined ? 'Run the doctor' : 'Run it again'}
        </Button>
        <span role="status" className={styles.quiet}>
          {examine.isPending
            ? 'The connector looks at itself: up to half a minute.'
            : 'The connector checks from its own machine; nothing is changed.'}
        </span>
      </div>
      {examine.error !== null && <Failure error={examine.error} what="The doctor did not run." />}
      {report !== undefined && <Report report={report} />}
    </>
  );
}

function Report({ report }: { readonly report: DoctorReport }) {
  const styles = useStyles();
  const failed = report.results.filter(({ status }) => status === 'failed');
  const [first] = failed;
  // What needs somebody is open; a click shows the rest.
  const worst = first === undefined ? 'warning' : 'failed';
  return (
    <>
      <p className={styles.quiet}>
        Looked at <Moment at={new Date(report.at).toISOString()} />, by the clock of its machine. Version{' '}
        {report.version}.
      </p>
      {first === undefined ? (
        <Notice intent="success">Nothing failed: {countsOf(report.results)}.</Notice>
      ) : (
        <Notice intent="warning">
          {failed.length === 1 ? '1 check' : `${failed.length} checks`} failed ({countsOf(report.results)}).
          Begin with {groupTitles[first.group]}. {report.restart?.reason}
        </Notice>
      )}
      {Object.entries(groupTitles).map(([group, title]) => {
        const results = report.results.filter(result => result.group === group);
        if (results.length === 0) return null;
        return (
          <Section key={`${group} ${report.at}`} title={title}>
            <details open={results.some(({ status }) => status === worst)}>
              <summary className={styles.summary}>{countsOf(results)}</summary>
              <ul className={styles.list}>
                {results.map(result => (
                  <Check key={result.id} result={result} />
                ))}
              </ul>
            </details>
          </Section>
        );
      })}
    </>
  );
}

function Check({ result }: { readonly result: CheckResult }) {
  const styles = useStyles();
  const { title, status, tried, seen, cause, remedy, command } = result;
  return (
    <li className={styles.check}>
      <StateMark {...marks[status]} />
      <div className={styles.words}>
        <span>{title}</span>
        {status === 'passed' && <span className={styles.seen}>{seen}</span>}
        {status === 'not_run' && <span className={styles.seen}>{cause}</span>}
        {isWrong(result) && (
          <Facts
            rows={[
              fact('Cause', cause),
              fact('Do this', remedy),
              fact('Tried', tried),
              fact('Seen', seen),
              ['Check', <code key="id">{result.id}</code>],
            ]}
          />
        )}
        {isWrong(result) && command !== '' && (
          <CopyBlock text={command} what="the command that repeats it by hand" />
        )}
      </div>
    </li>
  );
}

function isWrong({ status }: CheckResult): boolean {
  return status === 'failed' || status === 'warning';
}

function fact(name: string, value: string): readonly [string, string] | null {
  return value === '' ? null : [name, value];
}

/** In the order in which the doctor looks: each group needs those before it. */
const groupTitles: Readonly<Record<CheckGroup, string>> = {
  connectivity: 'Connectivity',
  trust: 'Trust',
  administrator: 'Authentication of the administrator',
  machine: 'Machine',
  backend: 'Backends',
};

const marks = {
  passed: { word: 'Passed', StateIcon: CheckIcon, tone: 'good' },
  warning: { word: 'Warning', StateIcon: WarningIcon, tone: 'warning' },
  failed: { word: 'Failed', StateIcon: CrossIcon, tone: 'bad' },
  not_run: { word: 'Not run', StateIcon: PauseIcon, tone: 'quiet' },
} as const satisfies Record<CheckResult['status'], StateMarkProps>;

/** Such as `9 passed, 1 failed, 2 not run`. */
function countsOf(results: readonly CheckResult[]): string {
  return Object.entries(marks)
    .map(([status, { word }]) => {
      const count = results.filter(result => result.status === status).length;
      if (count === 0) return null;
      return `${count} ${word.toLowerCase()}${status === 'warning' && count > 1 ? 's' : ''}`;
    })
    .filter(counted => counted !== null)
    .join(', ');
}
