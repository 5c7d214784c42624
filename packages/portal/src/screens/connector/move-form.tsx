import { Field, Select } from '@fluentui/react-components';
import type { Connector } from '@postern/protocol/admin/connectors';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { connectorGroupsQuery } from '../../api/connector-groups.ts';
import { useMoveConnector } from '../../api/connectors.ts';
import { Confirmation } from '../../components/confirmation.tsx';

interface MoveFormProps {
  readonly connector: Connector;
  readonly onClose: () => void;
}

/** Asks for the group that a connector is to carry requests for. */
export function MoveForm({ connector, onClose }: MoveFormProps) {
  const groups = useQuery(connectorGroupsQuery);
  const move = useMoveConnector(connector.id);
  const [groupId, setGroupId] = useState('');
  const current = groups.data?.find(({ connectors }) => connectors.some(({ id }) => id === connector.id));
  const others = (groups.data ?? []).filter(({ id }) => id !== current?.id);
  const chosen = others.find(({ id }) => id === groupId);
  return (
    <Confirmation
      title={`Move ${connector.machineName} to another group`}
      confirm="Move"
      isIncomplete={chosen === undefined}
      isPending={move.isPending}
      error={move.error}
      onConfirm={() => move.mutate(groupId, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>
        Applications of {current?.name ?? 'its group'} will no longer be reached through this connector; those
        of the new group will.
      </p>
      {others.length === 0 ? (
        <p>There is no other group. Create one under Connector groups first.</p>
      ) : (
        <Field label="New group">
          <Select value={groupId} onChange={(_event, { value }) => setGroupId(value)}>
            <option value="">Choose a group</option>
            {others.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </Select>
        </Field>
      )}
    </Confirmation>
  );
}
