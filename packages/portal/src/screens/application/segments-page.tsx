import { Button, makeStyles, tokens } from '@fluentui/react-components';
import type { ApplicationSegment } from '@postern/protocol/admin/application-segments';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { segmentsQuery, useRemoveSegment } from '../../api/segments.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { CopyText } from '../../components/copy-text.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { PageButton, PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { hostOf } from '../../components/published-hosts.tsx';
import { Section } from '../../components/section.tsx';
import { ApplicationFrame, type ShownApplication } from './application-frame.tsx';
import { SegmentForm } from './segment-form.tsx';

const useStyles = makeStyles({
  words: { maxWidth: '72ch', color: tokens.colorNeutralForeground3 },
  actions: { display: 'flex', flexWrap: 'wrap', gap: '8px' },
});

/** The segments of one application: hosts and paths under its wildcard that have backends of their own. */
export function SegmentsPage() {
  const { applicationId } = useParams({ from: '/applications/$applicationId/segments' });
  return (
    <ApplicationFrame applicationId={applicationId}>{shown => <Segments shown={shown} />}</ApplicationFrame>
  );
}

function Segments({ shown }: { readonly shown: ShownApplication }) {
  const { id } = shown.application;
  const wildcard = wildcardOf(shown);
  if (wildcard !== null) return <SegmentList shown={shown} wildcard={wildcard} />;
  return (
    <Empty
      title="Segments need a wildcard"
      action={
        <PageButton to="/applications/$applicationId/settings" params={{ applicationId: id }}>
          Settings
        </PageButton>
      }
    >
      An application that is spread over several hosts, pages here and an API there, is one application with
      segments: one assignment, one sign-in, and for each segment an external and an internal URL. Give it an
      external URL with a wildcard first, such as https://*.shop.example.com/.
    </Empty>
  );
}

/** Host of the application's wildcard; null where it has none. */
function wildcardOf({ application: { onPremisesPublishing: publishing } }: ShownApplication): string | null {
  if (publishing === null) return null;
  const host = hostOf(new URL(publishing.externalUrl));
  return host.startsWith('*.') ? host : null;
}

interface SegmentListProps {
  readonly shown: ShownApplication;
  readonly wildcard: string;
}

function SegmentList({ shown, wildcard }: SegmentListProps) {
  const styles = useStyles();
  const segments = useQuery(segmentsQuery(shown.application.id));
  const [dialog, setDialog] = useState<'save' | 'remove' | null>(null);
  const [chosen, setChosen] = useState<ApplicationSegment | null>(null);
  const open = (which: 'save' | 'remove', segment: ApplicationSegment | null) => {
    setChosen(segment);
    setDialog(which);
  };
  const add = <Button onClick={() => open('save', null)}>Add a segment</Button>;
  return (
    <Section title="Segments" isBare>
      <p className={styles.words}>
        All of them share the settings, the connector group, the assignment and the sign-in of the
        application. As soon as there is one, nothing but segments is published under {wildcard}.
      </p>
      {segments.isPending && <Loading what="the segments" />}
      {segments.isError && (
        <Failure
          error={segments.error}
          what="The segments cannot be shown."
          retry={() => void segments.refetch()}
        />
      )}
      {segments.data?.length === 0 && (
        <Empty title="No segments" action={add}>
          Every host under {wildcard} is published and leads to the host of the same name inside.
        </Empty>
      )}
      {segments.data !== undefined && segments.data.length > 0 && (
        <>
          <div>{add}</div>
          <DataTable
            isWide
            label="Segments"
            columns={columnsWith(shown.application.id, styles.actions, open)}
            rows={segments.data}
            rowKey={({ id }) => id}
          />
        </>
      )}
      <Modal isOpen={dialog === 'save'} onClose={() => setDialog(null)}>
        <SegmentForm shown={shown} wildcard={wildcard} segment={chosen} onClose={() => setDialog(null)} />
      </Modal>
      <Modal isOpen={dialog === 'remove'} onClose={() => setDialog(null)}>
        {chosen !== null && (
          <RemoveForm
            shown={shown}
            segment={chosen}
            isLast={segments.data?.length === 1}
            wildcard={wildcard}
            onClose={() => setDialog(null)}
          />
        )}
      </Modal>
    </Section>
  );
}

function columnsWith(
  applicationId: string,
  actionsClass: string,
  onAct: (which: 'save' | 'remove', segment: ApplicationSegment) => void,
): Column<ApplicationSegment>[] {
  return [
    {
      id: 'external',
      title: 'External URL',
      sortKey: ({ externalUrl }) => externalUrl,
      cell: ({ externalUrl }) => <CopyText text={externalUrl} what="external URL" />,
    },
    {
      id: 'internal',
      title: 'Internal URL',
      sortKey: ({ internalUrl }) => internalUrl,
      cell: ({ internalUrl }) => <CopyText text={internalUrl} what="internal URL" />,
    },
    {
      id: 'cors',
      title: 'CORS rules',
      sortKey: ({ corsConfigurations }) => corsConfigurations.length,
      cell: ({ corsConfigurations }) => (
        <PageLink to="/applications/$applicationId/cors" params={{ applicationId }}>
          {corsConfigurations.length === 0 ? 'None' : corsConfigurations.length}
        </PageLink>
      ),
    },
    {
      id: 'actions',
      title: 'Actions',
      cell: segment => (
        <span className={actionsClass}>
          <Button
            size="small"
            aria-label={`Change ${segment.externalUrl}`}
            onClick={() => onAct('save', segment)}
          >
            Change
          </Button>
          <Button
            size="small"
            aria-label={`Remove ${segment.externalUrl}`}
            onClick={() => onAct('remove', segment)}
          >
            Remove
          </Button>
        </span>
      ),
    },
  ];
}

interface RemoveFormProps {
  readonly shown: ShownApplication;
  readonly segment: ApplicationSegment;
  readonly isLast: boolean;
  readonly wildcard: string;
  readonly onClose: () => void;
}

function RemoveForm({ shown, segment, isLast, wildcard, onClose }: RemoveFormProps) {
  const remove = useRemoveSegment(shown.application.id);
  return (
    <Confirmation
      title="Remove a segment"
      confirm="Remove"
      isDangerous
      isPending={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate({ id: segment.id, tag: shown.tag }, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>
        {segment.externalUrl} stops answering within seconds, and its CORS rules are removed with it. Requests
        in flight may finish.
      </p>
      {isLast && (
        <p>
          It is the last segment: after it every host under {wildcard} is published again, to whoever may use{' '}
          {shown.application.displayName}.
        </p>
      )}
    </Confirmation>
  );
}
