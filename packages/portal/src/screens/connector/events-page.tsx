import { makeStyles } from '@fluentui/react-components';
import type { ConnectorEvent } from '@postern/protocol/admin/connectors';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { connectorEventsQuery } from '../../api/connectors.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { CheckIcon, CrossIcon, WarningIcon } from '../../components/icons.tsx';
import { Loading } from '../../components/loading.tsx';
import { Moment } from '../../components/moment.tsx';
import { Section } from '../../components/section.tsx';
import { StateMark, type StateMarkProps } from '../../components/state-mark.tsx';
import { ConnectorFrame } from './connector-frame.tsx';

/** What happened to one connector lately, as the service saw it. */
export function ConnectorEventsPage() {
  const { connectorId } = useParams({ from: '/connectors/$connectorId/events' });
  return <ConnectorFrame connectorId={connectorId}>{({ id }) => <Events connectorId={id} />}</ConnectorFrame>;
}

function Events({ connectorId }: { readonly connectorId: string }) {
  const events = useQuery(connectorEventsQuery(connectorId));
  if (events.isError && events.data === undefined) {
    return (
      <Failure error={events.error} what="The events cannot be shown." retry={() => void events.refetch()} />
    );
  }
  if (events.data === undefined) return <Loading what="the events" />;
  return (
    <Section title="As the service saw it" isBare>
      {events.data.length === 0 ? (
        <Empty title="Nothing has happened">
          What the connector itself noticed is in its own log: <code>postern connector events</code> on its
          machine.
        </Empty>
      ) : (
        <DataTable label="Events" columns={columns} rows={events.data} rowKey={({ id }) => id} />
      )}
    </Section>
  );
}

const levels = {
  info: { word: 'Information', StateIcon: CheckIcon, tone: 'quiet' },
  warn: { word: 'Warning', StateIcon: WarningIcon, tone: 'warning' },
  error: { word: 'Error', StateIcon: CrossIcon, tone: 'bad' },
} as const satisfies Record<ConnectorEvent['level'], StateMarkProps>;

const useStyles = makeStyles({ message: { overflowWrap: 'anywhere' } });

function Message({ text }: { readonly text: string }) {
  return <span className={useStyles().message}>{text}</span>;
}

const columns: readonly Column<ConnectorEvent>[] = [
  {
    id: 'when',
    title: 'When',
    sortKey: ({ createdDateTime }) => Date.parse(createdDateTime),
    cell: ({ createdDateTime }) => <Moment at={createdDateTime} />,
  },
  {
    id: 'level',
    title: 'Level',
    sortKey: ({ level }) => Object.keys(levels).indexOf(level),
    cell: ({ level }) => <StateMark {...levels[level]} />,
  },
  { id: 'message', title: 'What happened', cell: ({ message }) => <Message text={message} /> },
];
