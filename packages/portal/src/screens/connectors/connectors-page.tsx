import { Checkbox, Field, Input, makeStyles, Select } from '@fluentui/react-components';
import type { Connector } from '@postern/protocol/admin/connectors';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { connectorGroupsQuery, type GroupWithMembers } from '../../api/connector-groups.ts';
import { connectorsQuery } from '../../api/connectors.ts';
import { connectorColumns } from '../../components/connector-columns.tsx';
import { stateWords } from '../../components/connector-state.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { GroupLink, PageButton } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Page } from '../../components/page.tsx';

const useStyles = makeStyles({
  filters: { display: 'flex', flexWrap: 'wrap', alignItems: 'flex-end', gap: '16px' },
  filter: { flex: '0 1 260px', minWidth: 0 },
});

/** All connectors: which of them work, where they are, and when they were last heard of. */
export function ConnectorsPage() {
  const connectors = useQuery(connectorsQuery);
  return (
    <Page
      title="Connectors"
      lead="Connectors carry requests from the service into your private networks. Each is in one connector group; a group with two active connectors stays reachable when one of them ends."
      actions={
        <PageButton appearance="primary" to="/enrolment-tokens">
          Add a connector
        </PageButton>
      }
    >
      {connectors.isError && (
        <Failure
          error={connectors.error}
          what="The connectors cannot be shown."
          retry={() => void connectors.refetch()}
        />
      )}
      {connectors.isPending && <Loading what="the connectors" />}
      {connectors.data?.length === 0 && <NoConnectors />}
      {connectors.data !== undefined && connectors.data.length > 0 && (
        <ConnectorList connectors={connectors.data} />
      )}
    </Page>
  );
}

function NoConnectors() {
  return (
    <Empty title="No connector yet" action={<PageButton to="/enrolment-tokens">Add a connector</PageButton>}>
      A connector runs on a machine that reaches your applications. Create an enrolment token and run its
      command there; the connector appears here as soon as it has registered.
    </Empty>
  );
}

function ConnectorList({ connectors }: { readonly connectors: readonly Connector[] }) {
  const styles = useStyles();
  const [search, setSearch] = useState('');
  const [state, setState] = useState<Connector['status'] | ''>('');
  const [areHiddenShown, setAreHiddenShown] = useState(false);
  const hidden = connectors.filter(({ isHidden }) => isHidden).length;
  const groups = useQuery(connectorGroupsQuery);
  const groupOf = useMemo(() => groupsByConnector(groups.data ?? []), [groups.data]);
  const columns = useMemo(() => columnsWith(groupOf), [groupOf]);
  const shown = connectors.filter(
    connector =>
      (areHiddenShown || connector.isHidden !== true) &&
      (state === '' || connector.status === state) &&
      [connector.machineName, connector.externalIp ?? '', groupOf.get(connector.id)?.name ?? '']
        .join(' ')
        .toLowerCase()
        .includes(search.trim().toLowerCase()),
  );
  return (
    <>
      <div className={styles.filters}>
        <Field className={styles.filter} label="Search">
          <Input
            type="search"
            value={search}
            placeholder="Machine, address or group"
            onChange={(_event, { value }) => setSearch(value)}
          />
        </Field>
        <Field className={styles.filter} label="State">
          <Select value={state} onChange={(_event, { value }) => setState(value as Connector['status'] | '')}>
            <option value="">All</option>
            {Object.entries(stateWords).map(([name, word]) => (
              <option key={name} value={name}>
                {word}
              </option>
            ))}
          </Select>
        </Field>
        {hidden > 0 && (
          <Checkbox
            label={`With ${hidden} not seen for long`}
            checked={areHiddenShown}
            onChange={(_event, { checked }) => setAreHiddenShown(checked === true)}
          />
        )}
      </div>
      {shown.length === 0 ? (
        <Empty title="Nothing matches">Search for another part of the name, or choose another state.</Empty>
      ) : (
        <DataTable label="Connectors" columns={columns} rows={shown} rowKey={connector => connector.id} />
      )}
    </>
  );
}

function groupsByConnector(groups: readonly GroupWithMembers[]): Map<string, GroupWithMembers> {
  return new Map(groups.flatMap(group => group.connectors.map(({ id }) => [id, group] as const)));
}

function columnsWith(groupOf: ReadonlyMap<string, GroupWithMembers>): Column<Connector>[] {
  return [
    ...connectorColumns,
    {
      id: 'group',
      title: 'Group',
      isGivenName: true,
      isMinor: true,
      sortKey: connector => groupOf.get(connector.id)?.name ?? '',
      cell: connector => <GroupLink group={groupOf.get(connector.id)} />,
    },
    {
      id: 'address',
      title: 'Address',
      isMinor: true,
      sortKey: connector => connector.externalIp ?? '',
      cell: connector => connector.externalIp ?? '–',
    },
    {
      id: 'version',
      title: 'Version',
      isMinor: true,
      sortKey: connector => connector.version,
      cell: connector => connector.version,
    },
  ];
}
