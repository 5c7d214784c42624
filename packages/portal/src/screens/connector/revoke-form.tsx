import type { Connector } from '@postern/protocol/admin/connectors';
import { useQuery } from '@tanstack/react-query';
import { connectorGroupsQuery } from '../../api/connector-groups.ts';
import { useRevokeConnector } from '../../api/connectors.ts';
import { Confirmation } from '../../components/confirmation.tsx';

interface RevokeFormProps {
  readonly connector: Connector;
  readonly onClose: () => void;
}

/** Says what revoking a connector means, for whom, and asks. */
export function RevokeForm({ connector, onClose }: RevokeFormProps) {
  const groups = useQuery(connectorGroupsQuery);
  const revoke = useRevokeConnector(connector.id);
  const group = groups.data?.find(({ connectors }) => connectors.some(({ id }) => id === connector.id));
  const remaining = group?.connectors.filter(
    ({ id, status }) => id !== connector.id && status === 'active',
  ).length;
  return (
    <Confirmation
      title={`Revoke ${connector.machineName}`}
      confirm={`Revoke ${connector.machineName}`}
      isDangerous
      isPending={revoke.isPending}
      error={revoke.error}
      onConfirm={() => revoke.mutate(undefined, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>
        Its tunnels are cut within seconds, and its certificate is refused for good. It cannot be undone: to
        use the machine again, register it as a new connector.
      </p>
      {group !== undefined && remaining === 0 && group.applications.length > 0 && (
        <p>
          <strong>
            It is the only active connector of {group.name}.{' '}
            {group.applications.length === 1
              ? `${group.applications[0]?.displayName} will not be reachable.`
              : `${group.applications.length} applications will not be reachable.`}
          </strong>
        </p>
      )}
      {group !== undefined && remaining !== undefined && remaining > 0 && (
        <p>
          {group.name} keeps {remaining} active {remaining === 1 ? 'connector' : 'connectors'}.
        </p>
      )}
    </Confirmation>
  );
}
