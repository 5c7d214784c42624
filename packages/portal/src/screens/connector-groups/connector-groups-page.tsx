import { Button } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import {
  activeConnectorsOf,
  connectorGroupsQuery,
  type GroupWithMembers,
  useCreateConnectorGroup,
} from '../../api/connector-groups.ts';
import { type Column, DataTable } from '../../components/data-table.tsx';
import { Failure } from '../../components/failure.tsx';
import { GroupLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { NameForm } from '../../components/name-form.tsx';
import { Page } from '../../components/page.tsx';

/** All connector groups, with what each carries and whether anything carries it. */
export function ConnectorGroupsPage() {
  const groups = useQuery(connectorGroupsQuery);
  const [isCreating, setIsCreating] = useState(false);
  return (
    <Page
      title="Connector groups"
      lead="An application belongs to one group and is reached through any active connector of it. Make a group for each private network."
      actions={
        <Button appearance="primary" onClick={() => setIsCreating(true)}>
          Create a group
        </Button>
      }
    >
      {groups.isError && (
        <Failure
          error={groups.error}
          what="The connector groups cannot be shown."
          retry={() => void groups.refetch()}
        />
      )}
      {groups.isPending && <Loading what="the connector groups" />}
      {groups.data !== undefined && (
        <DataTable label="Connector groups" columns={columns} rows={groups.data} rowKey={group => group.id} />
      )}
      <Modal isOpen={isCreating} onClose={() => setIsCreating(false)}>
        <CreateForm onClose={() => setIsCreating(false)} />
      </Modal>
    </Page>
  );
}

function CreateForm({ onClose }: { readonly onClose: () => void }) {
  const create = useCreateConnectorGroup();
  return (
    <NameForm
      title="Create a connector group"
      help="Such as the place or the network that its connectors stand in."
      confirm="Create"
      isPending={create.isPending}
      error={create.error}
      onConfirm={name => create.mutate(name, { onSuccess: onClose })}
      onClose={onClose}
    />
  );
}

const columns: readonly Column<GroupWithMembers>[] = [
  {
    id: 'name',
    title: 'Group',
    isGivenName: true,
    sortKey: group => group.name,
    cell: group => (
      <>
        <GroupLink group={group} />
        {group.isDefault && ' (new connectors join it)'}
      </>
    ),
  },
  {
    id: 'active',
    title: 'Active connectors',
    sortKey: group => activeConnectorsOf(group).length,
    cell: group =>
      `${activeConnectorsOf(group).length} of ${group.connectors.filter(one => one.revokedDateTime === null).length}`,
  },
  {
    id: 'applications',
    title: 'Applications',
    sortKey: group => group.applications.length,
    cell: group => group.applications.length,
  },
];
