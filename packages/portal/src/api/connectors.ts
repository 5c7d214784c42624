import type { Collection } from '@postern/protocol/admin/collection';
import type { Connector, ConnectorEvent } from '@postern/protocol/admin/connectors';
import type { DoctorReport } from '@postern/protocol/doctor';
import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import { change, read, readAll, referenceTo } from './client.ts';
import { connectorGroupsKey } from './connector-groups.ts';
import { useChange } from './use-change.ts';

const profilePath = '/onPremisesPublishingProfiles/applicationProxy';
const path = `${profilePath}/connectors`;

/** How often what connectors report is asked for again while a page shows it. */
const refreshMs = 5_000;

/** Everything about connectors; a change of one changes lists, too. */
const connectorsKey = ['connectors'] as const;

export const connectorsQuery = queryOptions({
  queryKey: [...connectorsKey, 'all'],
  // With those that were not seen for long, which the page leaves out until it is asked for them.
  queryFn: ({ signal }) => readAll<Connector>(`${path}?includeHidden=true`, signal),
  refetchInterval: refreshMs,
});

export function connectorQuery(id: string) {
  return queryOptions({
    queryKey: [...connectorsKey, 'one', id],
    queryFn: ({ signal }) => read<Connector>(`${path}/${id}`, signal),
    refetchInterval: refreshMs,
  });
}

/** What happened to a connector lately, the newest first. */
export function connectorEventsQuery(id: string) {
  return queryOptions({
    queryKey: [...connectorsKey, 'events', id],
    queryFn: async ({ signal }) => {
      const { value } = await read<Collection<ConnectorEvent>>(`${path}/${id}/events`, signal);
      return value;
    },
    refetchInterval: refreshMs,
  });
}

/** What a connector found the last time that it was asked to look at itself, while these pages are open. */
export function connectorReportQuery(id: string) {
  return queryOptions<DoctorReport>({
    queryKey: ['connector-report', id],
    // It is never read, only made.
    enabled: false,
    gcTime: Number.POSITIVE_INFINITY,
  });
}

/** Lets a connector look at itself. */
export function useExamineConnector(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationKey: ['examine-connector', id],
    mutationFn: () => change<DoctorReport>('POST', `${path}/${id}/doctor`),
    onSuccess: report => client.setQueryData(connectorReportQuery(id).queryKey, report),
  });
}

/** Cuts a connector off for good. */
export function useRevokeConnector(id: string) {
  return useConnectorChange(() => change('POST', `${path}/${id}/revoke`));
}

/** Takes a connector out of use, or back into it; input is whether it is to be drained. */
export function useDrainConnector(id: string) {
  return useConnectorChange((isDrained: boolean) =>
    change('POST', `${path}/${id}/${isDrained ? 'drain' : 'resume'}`),
  );
}

/** Says where a connector is; null for nowhere in particular. */
export function useSetConnectorRegion(id: string) {
  return useConnectorChange((region: string | null) => change('PATCH', `${path}/${id}`, { region }));
}

/** Moves a connector to the group whose id is given. */
export function useMoveConnector(id: string) {
  return useConnectorChange((groupId: string) =>
    change('POST', `${path}/${id}/memberOf/$ref`, referenceTo(`${profilePath}/connectorGroups/${groupId}`)),
  );
}

function useConnectorChange<Input = void>(mutationFn: (input: Input) => Promise<void>) {
  return useChange(mutationFn, [connectorsKey, connectorGroupsKey]);
}
