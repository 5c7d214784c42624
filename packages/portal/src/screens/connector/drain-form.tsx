import type { Connector } from '@postern/protocol/admin/connectors';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { activeConnectorsOf, connectorGroupsQuery } from '../../api/connector-groups.ts';
import { useDrainConnector } from '../../api/connectors.ts';
import { Confirmation } from '../../components/confirmation.tsx';

interface DrainFormProps {
  readonly connector: Connector;
  readonly onClose: () => void;
}

/** Says what it means to take a connector out of use, or back into it, and asks. */
export function DrainForm({ connector, onClose }: DrainFormProps) {
  const groups = useQuery(connectorGroupsQuery);
  const drain = useDrainConnector(connector.id);
  // What was asked stays while the modal closes, though the connector is then drained or not.
  const [wasDraining] = useState(connector.isDraining === true);
  const { machineName } = connector;
  const group = groups.data?.find(({ connectors }) => connectors.some(({ id }) => id === connector.id));
  const others = group && activeConnectorsOf(group).filter(one => one.id !== connector.id && !one.isDraining);
  return (
    <Confirmation
      title={wasDraining ? `Use ${machineName} again` : `Drain ${machineName}`}
      confirm={wasDraining ? 'Use it again' : 'Drain'}
      isPending={drain.isPending}
      error={drain.error}
      onConfirm={() => drain.mutate(!wasDraining, { onSuccess: onClose })}
      onClose={onClose}
    >
      {wasDraining ? (
        <p>It gets new requests from now on.</p>
      ) : (
        <>
          <p>
            It gets no new requests; those in flight are finished. It stays registered and connected, until
            you use it again.
          </p>
          {group !== undefined && others?.length === 0 && group.applications.length > 0 && (
            <p>
              <strong>
                No other connector of {group.name} takes requests now: its applications will not be reachable.
              </strong>
            </p>
          )}
        </>
      )}
    </Confirmation>
  );
}
