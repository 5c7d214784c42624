import type { Connector } from '@postern/protocol/admin/connectors';
import { ConnectorState, stateWords } from './connector-state.tsx';
import type { Column } from './data-table.tsx';
import { PageLink } from './links.tsx';
import { Moment } from './moment.tsx';

/** What every list of connectors begins with. */
export const connectorColumns: readonly Column<Connector>[] = [
  {
    id: 'machine',
    title: 'Machine',
    isGivenName: true,
    sortKey: connector => connector.machineName,
    cell: connector => (
      <PageLink to="/connectors/$connectorId" params={{ connectorId: connector.id }}>
        {connector.machineName}
      </PageLink>
    ),
  },
  {
    id: 'state',
    title: 'State',
    sortKey: connector => stateWords[connector.status],
    cell: ({ status, isDraining }) => (
      <>
        <ConnectorState state={status} />
        {isDraining && ', drained'}
      </>
    ),
  },
  {
    id: 'seen',
    title: 'Last seen',
    sortKey: connector => Date.parse(connector.lastSeenDateTime ?? '') || 0,
    cell: connector =>
      connector.lastSeenDateTime === null ? 'Never' : <Moment at={connector.lastSeenDateTime} isRelative />,
  },
];
