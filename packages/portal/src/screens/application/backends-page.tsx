import { Button, makeStyles, tokens } from '@fluentui/react-components';
import type { BackendHealth, ConnectorHealth } from '@postern/protocol/admin/backend-health';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { backendHealthQuery } from '../../api/application-path.ts';
import { useChangeApplication } from '../../api/applications.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { CheckIcon, CrossIcon, PauseIcon } from '../../components/icons.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Moment } from '../../components/moment.tsx';
import { Section } from '../../components/section.tsx';
import { StateMark, type StateMarkProps } from '../../components/state-mark.tsx';
import { ApplicationFrame, type ShownApplication } from './application-frame.tsx';
import { BackendForm } from './backend-form.tsx';

const useStyles = makeStyles({
  words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 },
  actions: { display: 'flex', flexWrap: 'wrap', gap: '8px' },
  list: { listStyleType: 'none', padding: 0, display: 'flex', flexDirection: 'column', gap: '6px' },
  backends: { listStyleType: 'none', padding: 0, display: 'flex', flexDirection: 'column', gap: '12px' },
  backend: {
    display: 'flex',
    flexDirection: 'column',
    gap: '12px',
    padding: '16px 20px',
    backgroundColor: tokens.colorNeutralBackground1,
    border: `1px solid ${tokens.colorNeutralStroke2}`,
    borderRadius: tokens.borderRadiusLarge,
  },
  head: { display: 'flex', flexWrap: 'wrap', justifyContent: 'space-between', gap: '8px 16px' },
  title: { display: 'flex', flexWrap: 'wrap', alignItems: 'baseline', gap: '0 12px', minWidth: 0 },
  url: { fontWeight: 600, overflowWrap: 'anywhere' },
  failure: { color: tokens.colorNeutralForeground3, overflowWrap: 'anywhere' },
});

/** The backends of one application: how much each gets, and how each fares. */
export function BackendsPage() {
  const { applicationId } = useParams({ from: '/applications/$applicationId/backends' });
  return (
    <ApplicationFrame applicationId={applicationId}>{shown => <Backends shown={shown} />}</ApplicationFrame>
  );
}

function Backends({ shown }: { readonly shown: ShownApplication }) {
  const styles = useStyles();
  const health = useQuery(backendHealthQuery(shown.application.id));
  const [dialog, setDialog] = useState<'save' | 'remove' | null>(null);
  // Where a backend is in the list of further ones; -1 is the internal URL, one behind the end a new one.
  const [index, setIndex] = useState(-1);
  const publishing = shown.application.onPremisesPublishing;
  if (publishing === null) {
    return <Empty title="Not published yet">Give it an internal URL under Settings first.</Empty>;
  }
  const { backends, internalUrl, healthProbe } = publishing;
  const isWildcard = publishing.externalUrl.includes('*');
  const open = (which: 'save' | 'remove', at: number) => {
    setIndex(at);
    setDialog(which);
  };
  const close = () => setDialog(null);
  return (
    <Section title="Backends" isBare>
      <p className={styles.words}>
        {isWildcard
          ? 'Each host under the wildcard is a backend of its own; those of segments are shown here.'
          : 'Requests are shared out by weight among those that are healthy. Backups get some only while no other is.'}{' '}
        {healthProbe.isEnabled
          ? `Each is asked for ${healthProbe.path} every ${healthProbe.intervalSeconds}\u00a0s through each connector.`
          : 'How they fare is known from the requests of people; probes can be switched on under Settings.'}
      </p>
      {health.isPending && <Loading what="the backends" />}
      {health.isError && (
        <Failure
          error={health.error}
          what="How they fare cannot be shown."
          retry={() => void health.refetch()}
        />
      )}
      {!isWildcard && (
        <div>
          <Button onClick={() => open('save', backends.length)}>Add a backend</Button>
        </div>
      )}
      {health.data?.length === 0 && isWildcard && (
        <Empty title="No segments">Which backends there are shows only when somebody asks for them.</Empty>
      )}
      {health.data !== undefined && health.data.length > 0 && (
        <ul className={styles.backends} aria-label="Backends">
          {health.data.map(backend => (
            <Backend
              key={backend.url}
              backend={backend}
              at={backend.url === internalUrl ? -1 : backends.findIndex(({ url }) => url === backend.url)}
              onAct={isWildcard ? null : open}
            />
          ))}
        </ul>
      )}
      <Modal isOpen={dialog === 'save'} onClose={close}>
        <BackendForm shown={shown} publishing={publishing} index={index} onClose={close} />
      </Modal>
      <Modal isOpen={dialog === 'remove'} onClose={close}>
        <RemoveForm shown={shown} index={index} onClose={close} />
      </Modal>
    </Section>
  );
}

interface BackendProps {
  readonly backend: BackendHealth;
  /** Where it is in the list of further ones; -1 for the internal URL. */
  readonly at: number;
  /** null where it is part of something else, which is changed elsewhere. */
  readonly onAct: ((which: 'save' | 'remove', at: number) => void) | null;
}

function Backend({ backend, at, onAct }: BackendProps) {
  const styles = useStyles();
  const { url, weight, isBackup, connectors } = backend;
  return (
    <li className={styles.backend}>
      <div className={styles.head}>
        <span className={styles.title}>
          <span className={styles.url}>{url}</span>
          <span className={styles.words}>
            Weight {weight}
            {isBackup && ', backup'}
            {at < 0 && onAct !== null && ', the internal URL'}
          </span>
        </span>
        {onAct !== null && (
          <span className={styles.actions}>
            <Button size="small" aria-label={`Change ${url}`} onClick={() => onAct('save', at)}>
              Change
            </Button>
            {at >= 0 && (
              <Button size="small" aria-label={`Remove ${url}`} onClick={() => onAct('remove', at)}>
                Remove
              </Button>
            )}
          </span>
        )}
      </div>
      <ul className={styles.list} aria-label={`${url} through each connector`}>
        {connectors.map(connector => (
          <li key={connector.connectorId}>
            <Health connector={connector} />
          </li>
        ))}
        {connectors.length === 0 && <li>The group has no connector.</li>}
      </ul>
    </li>
  );
}

const marks = {
  healthy: { word: 'Healthy', StateIcon: CheckIcon, tone: 'good' },
  unhealthy: { word: 'Unhealthy', StateIcon: CrossIcon, tone: 'bad' },
  unknown: { word: 'Not known', StateIcon: PauseIcon, tone: 'quiet' },
  offline: { word: 'Takes no requests', StateIcon: PauseIcon, tone: 'quiet' },
} as const satisfies Record<ConnectorHealth['state'], StateMarkProps>;

function Health({ connector }: { readonly connector: ConnectorHealth }) {
  const styles = useStyles();
  const { connectorId, machineName, state, sinceDateTime, lastFailure } = connector;
  return (
    <>
      <StateMark {...marks[state]} />{' '}
      <PageLink to="/connectors/$connectorId" params={{ connectorId }}>
        {machineName}
      </PageLink>
      {sinceDateTime !== null && (
        <>
          , <Moment at={sinceDateTime} isRelative />
        </>
      )}
      {state === 'unhealthy' && lastFailure !== null && (
        <div className={styles.failure}>
          {lastFailure.detail.replace(/\.?$/, '.')} {lastFailure.remedy}
        </div>
      )}
    </>
  );
}

interface RemoveFormProps {
  readonly shown: ShownApplication;
  readonly index: number;
  readonly onClose: () => void;
}

function RemoveForm({ shown, index, onClose }: RemoveFormProps) {
  const change = useChangeApplication(shown);
  const backends = shown.application.onPremisesPublishing?.backends ?? [];
  const backend = backends[index];
  if (backend === undefined) return null;
  const values = { backends: backends.filter((_backend, at) => at !== index) };
  return (
    <Confirmation
      title="Remove a backend"
      confirm="Remove"
      isDangerous
      isPending={change.isPending}
      error={change.error}
      onConfirm={() =>
        change.mutate({ wanted: { part: 'publishing', values }, tag: shown.tag }, { onSuccess: onClose })
      }
      onClose={onClose}
    >
      <p>{backend.url} gets no new requests. Those in flight may finish; the other backends take over.</p>
    </Confirmation>
  );
}
