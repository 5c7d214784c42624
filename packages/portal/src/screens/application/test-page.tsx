import { Button, Field, Input, makeStyles, tokens } from '@fluentui/react-components';
import type { ApplicationTest, TestHop } from '@postern/protocol/admin/application-test';
// A module of its own, without zod, which the page's policy would not let make functions.
import { testHopTitles } from '@postern/protocol/admin/test-hops';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { applicationTestQuery, useTestApplication } from '../../api/application-path.ts';
import { CopyText } from '../../components/copy-text.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { CheckIcon, CrossIcon, PauseIcon, WarningIcon } from '../../components/icons.tsx';
import { Moment } from '../../components/moment.tsx';
import { Notice } from '../../components/notice.tsx';
import { hostOf } from '../../components/published-hosts.tsx';
import { Section } from '../../components/section.tsx';
import { StateMark, type StateMarkProps } from '../../components/state-mark.tsx';
import { ApplicationFrame, type ShownApplication } from './application-frame.tsx';

const narrow = '@media (max-width: 760px)';

const useStyles = makeStyles({
  form: { display: 'flex', flexWrap: 'wrap', alignItems: 'end', gap: '12px' },
  field: { flex: '0 1 320px', minWidth: 0 },
  quiet: { color: tokens.colorNeutralForeground3, maxWidth: '72ch' },
  list: { listStyleType: 'none', padding: 0, display: 'flex', flexDirection: 'column' },
  hop: {
    display: 'grid',
    gridTemplateColumns: '150px minmax(0, 1fr) 84px minmax(0, 220px)',
    alignItems: 'start',
    columnGap: '16px',
    rowGap: '4px',
    padding: '10px 0',
    ':not(:first-child)': { borderTop: `1px solid ${tokens.colorNeutralStroke2}` },
    [narrow]: { gridTemplateColumns: 'minmax(0, 1fr) auto' },
  },
  words: { minWidth: 0, overflowWrap: 'anywhere', [narrow]: { gridColumn: '1 / -1', gridRow: 2 } },
  time: { textAlign: 'right', whiteSpace: 'nowrap' },
  bar: {
    width: '100%',
    height: '20px',
    color: tokens.colorBrandForeground1,
    [narrow]: { gridColumn: '1 / -1', height: '8px' },
  },
  failed: { color: tokens.colorPaletteRedForeground1 },
});

/** Sends a request to one application on the way that all take, and shows what each station took. */
export function TestPage() {
  const { applicationId } = useParams({ from: '/applications/$applicationId/test' });
  return <ApplicationFrame applicationId={applicationId}>{shown => <Test shown={shown} />}</ApplicationFrame>;
}

function Test({ shown: { application } }: { readonly shown: ShownApplication }) {
  const styles = useStyles();
  const test = useTestApplication(application.id);
  const { data: result } = useQuery(applicationTestQuery(application.id));
  const [path, setPath] = useState('');
  const [host, setHost] = useState('');
  const publishing = application.onPremisesPublishing;
  if (publishing === null) {
    return <Empty title="Not published yet">Give it an internal URL under Settings first.</Empty>;
  }
  const externalHost = hostOf(new URL(publishing.externalUrl));
  const isWildcard = externalHost.startsWith('*.');
  const run = (event: FormEvent) => {
    event.preventDefault();
    if (test.isPending) return;
    test.mutate({
      ...(path.trim() !== '' && { path: path.trim() }),
      ...(host.trim() !== '' && { host: host.trim().toLowerCase() }),
    });
  };
  return (
    <>
      <form className={styles.form} onSubmit={run}>
        {isWildcard && (
          <Field className={styles.field} label="Host">
            <Input
              value={host}
              placeholder={`any${externalHost.slice(1)}`}
              spellCheck={false}
              autoComplete="off"
              onChange={(_event, { value }) => setHost(value)}
            />
          </Field>
        )}
        <Field className={styles.field} label="Path">
          <Input
            value={path}
            placeholder={new URL(publishing.externalUrl).pathname}
            spellCheck={false}
            autoComplete="off"
            onChange={(_event, { value }) => setPath(value)}
          />
        </Field>
        <Button
          type="submit"
          appearance={result === undefined ? 'primary' : 'secondary'}
          disabledFocusable={test.isPending}
        >
          {result === undefined ? 'Test' : 'Test again'}
        </Button>
      </form>
      <p className={styles.quiet} role="status">
        {test.isPending
          ? 'The request is on its way: up to 25 seconds.'
          : 'A GET request in your name goes through service, tunnel and connector to the application, on the way that all requests take. A redirect is named and not followed.'}
      </p>
      {test.error !== null && <Failure error={test.error} what="It was not tested." />}
      {result !== undefined && <Result result={result} />}
    </>
  );
}

function Result({ result }: { readonly result: ApplicationTest }) {
  const styles = useStyles();
  const { hops, outcome, url, requestId, testedDateTime } = result;
  const totalMs = Math.max(1, ...hops.map(({ startMs, durationMs }) => (startMs ?? 0) + (durationMs ?? 0)));
  return (
    <>
      <Notice intent={outcome === 'passed' ? 'success' : 'warning'}>{summaryOf(result)}</Notice>
      <Section title="The way of the request">
        <p className={styles.quiet}>
          {url}, <Moment at={testedDateTime} />. Request id <CopyText text={requestId} what="request id" />
        </p>
        <ol className={styles.list}>
          {hops.map(hop => (
            <Hop key={hop.hop} hop={hop} totalMs={totalMs} />
          ))}
        </ol>
      </Section>
    </>
  );
}

function Hop({ hop, totalMs }: { readonly hop: TestHop; readonly totalMs: number }) {
  const styles = useStyles();
  const { state, startMs, durationMs, detail, remedy } = hop;
  return (
    <li className={styles.hop}>
      <StateMark {...marks[state]} word={testHopTitles[hop.hop]} />
      <div className={styles.words}>
        {state === 'notRun' && 'Not run: '}
        {state === 'failed' && 'Failed: '}
        {detail}
        {remedy !== null && <div className={styles.quiet}>Do this: {remedy}</div>}
      </div>
      <span className={styles.time}>{durationMs === null ? '' : `${durationMs.toFixed(1)} ms`}</span>
      {startMs !== null && durationMs !== null && (
        <svg className={styles.bar} viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
          <rect
            className={state === 'failed' ? styles.failed : undefined}
            x={Math.min(99, (100 * startMs) / totalMs)}
            y="2"
            width={Math.max(1, (100 * durationMs) / totalMs)}
            height="6"
            fill="currentColor"
          />
        </svg>
      )}
    </li>
  );
}

const marks = {
  passed: { StateIcon: CheckIcon, tone: 'good' },
  warning: { StateIcon: WarningIcon, tone: 'warning' },
  failed: { StateIcon: CrossIcon, tone: 'bad' },
  notRun: { StateIcon: PauseIcon, tone: 'quiet' },
} as const satisfies Record<TestHop['state'], Omit<StateMarkProps, 'word'>>;

function summaryOf({ hops, outcome, status, totalMs, redirectsTo }: ApplicationTest): string {
  if (outcome === 'failed') {
    const names = hops.filter(({ state }) => state === 'failed').map(({ hop }) => testHopTitles[hop]);
    return `It does not work: ${names.join(', ')}.`;
  }
  const answers = status === null ? '' : `answers ${status} `;
  const where = redirectsTo === null ? '' : ` It redirects to ${redirectsTo}.`;
  return `It works: ${answers}in ${totalMs.toFixed(1)} ms.${where}`;
}
