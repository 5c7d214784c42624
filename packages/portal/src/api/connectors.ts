import type { Connector } from '@postern/protocol/admin/connectors';
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { change, read, readAll, referenceTo } from './client.ts';
import { connectorGroupsKey } from './connector-groups.ts';

const profilePath = '/onPremisesPublishingProfiles/applicationProxy';
const path = `${profilePath}/connectors`;

/** How often what connectors report is asked for again while a page shows it. */
const refreshMs = 5_000;

/** Everything about connectors; a change of one changes lists, too. */
const connectorsKey = ['connectors'] as const;

export const connectorsQuery = queryOptions({
  queryKey: [...connectorsKey, 'all'],
  queryFn: ({ signal }) => readAll<Connector>(path, signal),
  refetchInterval: refreshMs,
});

export function connectorQuery(id: string) {
  return queryOptions({
    queryKey: [...connectorsKey, 'one', id],
    queryFn: ({ signal }) => read<Connector>(`${path}/${id}`, signal),
    refetchInterval: refreshMs,
  });
}

/** Cuts a connector off for good. */
export function useRevokeConnector(id: string) {
  return useConnectorChange(() => change('POST', `${path}/${id}/revoke`));
}

/** Moves a connector to the group whose id is given. */
export function useMoveConnector(id: string) {
  return useConnectorChange((groupId: string) =>
    change('POST', `${path}/${id}/memberOf/$ref`, referenceTo(`${profilePath}/connectorGroups/${groupId}`)),
  );
}

function useConnectorChange<Input = void>(mutationFn: (input: Input) => Promise<void>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn,
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: connectorsKey }),
        client.invalidateQueries({ queryKey: connectorGroupsKey }),
      ]),
  });
}
