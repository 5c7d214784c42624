import { Button } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import {
  connectorGroupsQuery,
  type GroupWithMembers,
  useRemoveConnectorGroup,
  useRenameConnectorGroup,
  useSetGroupRegion,
} from '../../api/connector-groups.ts';
import { applicationColumns } from '../../components/application-columns.tsx';
import { Confirmation } from '../../components/confirmation.tsx';
import { connectorColumns } from '../../components/connector-columns.tsx';
import { DataTable } from '../../components/data-table.tsx';
import { Empty } from '../../components/empty.tsx';
import { Failure } from '../../components/failure.tsx';
import { PageButton, PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { NameForm } from '../../components/name-form.tsx';
import { Page } from '../../components/page.tsx';
import { RegionForm } from '../../components/region-form.tsx';
import { Section } from '../../components/section.tsx';

/** One connector group: its connectors and the applications that they carry. */
export function ConnectorGroupPage() {
  const { groupId } = useParams({ from: '/connector-groups/$groupId' });
  const groups = useQuery(connectorGroupsQuery);
  const group = groups.data?.find(({ id }) => id === groupId);
  const [dialog, setDialog] = useState<'rename' | 'region' | 'remove' | null>(null);
  return (
    <Page
      title={group?.name ?? 'Connector group'}
      above={<PageLink to="/connector-groups">Connector groups</PageLink>}
      lead={group && <Lead group={group} />}
      actions={
        group !== undefined && (
          <>
            <Button onClick={() => setDialog('rename')}>Rename</Button>
            <Button onClick={() => setDialog('region')}>Region</Button>
            {!group.isDefault && <Button onClick={() => setDialog('remove')}>Remove</Button>}
          </>
        )
      }
    >
      {groups.isError && (
        <Failure
          error={groups.error}
          what="The connector group cannot be shown."
          retry={() => void groups.refetch()}
        />
      )}
      {groups.isPending && <Loading what="the connector group" />}
      {groups.data !== undefined && group === undefined && (
        <Empty title="There is no such group">It may have been removed meanwhile.</Empty>
      )}
      {group !== undefined && (
        <>
          <Section title="Connectors" isBare>
            {group.connectors.length === 0 ? (
              <Empty title="No connector in this group">
                Move one here from its own page, or name the group when a connector is registered.
              </Empty>
            ) : (
              <DataTable
                label="Connectors of this group"
                columns={connectorColumns}
                rows={group.connectors}
                rowKey={connector => connector.id}
              />
            )}
          </Section>
          <Section title="Applications" isBare>
            {group.applications.length === 0 ? (
              <Empty
                title="No application uses this group"
                action={<PageButton to="/applications/new">Publish an application</PageButton>}
              >
                Publish one through it, or bind one to it on the application’s own page, under Settings.
              </Empty>
            ) : (
              <DataTable
                label="Applications of this group"
                columns={applicationColumns}
                rows={group.applications.map(application => ({ application, group }))}
                rowKey={({ application }) => application.id}
              />
            )}
          </Section>
          <Modal isOpen={dialog === 'rename'} onClose={() => setDialog(null)}>
            <RenameForm group={group} onClose={() => setDialog(null)} />
          </Modal>
          <Modal isOpen={dialog === 'region'} onClose={() => setDialog(null)}>
            <GroupRegionForm group={group} onClose={() => setDialog(null)} />
          </Modal>
          <Modal isOpen={dialog === 'remove'} onClose={() => setDialog(null)}>
            <RemoveForm group={group} onClose={() => setDialog(null)} />
          </Modal>
        </>
      )}
    </Page>
  );
}

function Lead({ group: { isDefault, region } }: { readonly group: GroupWithMembers }) {
  return (
    <>
      {isDefault && 'Connectors that register without naming a group join this one. It cannot be removed. '}
      {region !== null && `Connectors in ${region} are preferred.`}
    </>
  );
}

interface GroupFormProps {
  readonly group: GroupWithMembers;
  readonly onClose: () => void;
}

function RenameForm({ group, onClose }: GroupFormProps) {
  const rename = useRenameConnectorGroup(group.id);
  return (
    <NameForm
      title={`Rename ${group.name}`}
      help="Connectors and applications stay in the group."
      confirm="Rename"
      name={group.name}
      isPending={rename.isPending}
      error={rename.error}
      onConfirm={name => rename.mutate(name, { onSuccess: onClose })}
      onClose={onClose}
    />
  );
}

function GroupRegionForm({ group, onClose }: GroupFormProps) {
  const set = useSetGroupRegion(group.id);
  return (
    <RegionForm
      name={group.name}
      help="Such as eu-north: connectors of this region carry the requests, others only while none of those can. Empty: those of the region of the service."
      region={group.region}
      isPending={set.isPending}
      error={set.error}
      onConfirm={region => set.mutate(region, { onSuccess: onClose })}
      onClose={onClose}
    />
  );
}

function RemoveForm({ group, onClose }: GroupFormProps) {
  // A new document rather than a new page: this one goes with the group, the open modal and what it has hidden behind it.
  const remove = useRemoveConnectorGroup(group.id, () => location.assign('/admin/connector-groups'));
  return (
    <Confirmation
      title={`Remove ${group.name}`}
      confirm={`Remove ${group.name}`}
      isDangerous
      isPending={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      <p>
        Only a group without connectors and applications can be removed. Move what is in it to another group
        first.
      </p>
    </Confirmation>
  );
}
