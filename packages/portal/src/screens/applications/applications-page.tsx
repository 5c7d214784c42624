import { Field, Input, makeStyles, Select } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { connectorGroupsQuery } from '../../api/connector-groups.ts';
import { applicationColumns, type ListedApplication } from '../../components/application-columns.tsx';
import {
  type ApplicationStateName,
  applicationStateWords,
  stateOfApplication,
} from '../../components/application-state.tsx';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { GroupLink, PageButton } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Page } from '../../components/page.tsx';

const useStyles = makeStyles({
  filters: { display: 'flex', flexWrap: 'wrap', gap: '16px' },
  filter: { flex: '0 1 260px', minWidth: 0 },
});

/** All applications: where people reach them, where they are, and whether anything carries them. */
export function ApplicationsPage() {
  const groups = useQuery(connectorGroupsQuery);
  const applications = useMemo(
    () =>
      groups.data
        ?.flatMap(group => group.applications.map(application => ({ application, group })))
        .sort((a, b) => a.application.displayName.localeCompare(b.application.displayName)),
    [groups.data],
  );
  return (
    <Page
      title="Applications"
      lead="Web applications of your private networks. Each is reached from outside at its external URL, by the people it is assigned to, through the connectors of its group."
      actions={
        <PageButton appearance="primary" to="/applications/new">
          Publish an application
        </PageButton>
      }
    >
      {groups.isError && (
        <Failure
          error={groups.error}
          what="The applications cannot be shown."
          retry={() => void groups.refetch()}
        />
      )}
      {groups.isPending && <Loading what="the applications" />}
      {applications?.length === 0 && (
        <Empty
          title="No application yet"
          action={<PageButton to="/applications/new">Publish an application</PageButton>}
        >
          Publish one that a connector can reach: say where it is, and it has an address for everybody you
          assign it to.
        </Empty>
      )}
      {applications !== undefined && applications.length > 0 && (
        <ApplicationList applications={applications} />
      )}
    </Page>
  );
}

function ApplicationList({ applications }: { readonly applications: readonly ListedApplication[] }) {
  const styles = useStyles();
  const [search, setSearch] = useState('');
  const [state, setState] = useState<ApplicationStateName | ''>('');
  const wanted = search.trim().toLowerCase();
  const shown = applications.filter(
    ({ application, group }) =>
      (state === '' || stateOfApplication(application, group) === state) &&
      textOf(application, group.name).includes(wanted),
  );
  return (
    <>
      <div className={styles.filters}>
        <Field className={styles.filter} label="Search">
          <Input
            type="search"
            value={search}
            placeholder="Name, address or group"
            onChange={(_event, { value }) => setSearch(value)}
          />
        </Field>
        <Field className={styles.filter} label="State">
          <Select
            value={state}
            onChange={(_event, { value }) => setState(value as ApplicationStateName | '')}
          >
            <option value="">All</option>
            {Object.entries(applicationStateWords).map(([name, word]) => (
              <option key={name} value={name}>
                {word}
              </option>
            ))}
          </Select>
        </Field>
      </div>
      {shown.length === 0 ? (
        <Empty title="Nothing matches">
          Search for another part of a name or an address, or choose another state.
        </Empty>
      ) : (
        <DataTable
          label="Applications"
          columns={columns}
          rows={shown}
          rowKey={({ application }) => application.id}
        />
      )}
    </>
  );
}

function textOf(
  { displayName, onPremisesPublishing: publishing }: ListedApplication['application'],
  groupName: string,
): string {
  return [displayName, publishing?.externalUrl, publishing?.internalUrl, groupName].join(' ').toLowerCase();
}

const columns: readonly Column<ListedApplication>[] = [
  ...applicationColumns,
  {
    id: 'authentication',
    title: 'Pre-authentication',
    isMinor: true,
    sortKey: row => authenticationWord(row),
    cell: authenticationWord,
  },
  {
    id: 'group',
    title: 'Group',
    isGivenName: true,
    isMinor: true,
    sortKey: ({ group }) => group.name,
    cell: ({ group }) => <GroupLink group={group} />,
  },
];

function authenticationWord({ application }: ListedApplication): string {
  const publishing = application.onPremisesPublishing;
  if (publishing === null) return '–';
  return publishing.externalAuthenticationType === 'passthru' ? 'Passthrough' : 'Signed in';
}
