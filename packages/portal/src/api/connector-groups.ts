import type { Application } from '@postern/protocol/admin/applications';
import type { Connector, ConnectorGroup } from '@postern/protocol/admin/connectors';
import { queryOptions } from '@tanstack/react-query';
import { change, readAll } from './client.ts';
import { useChange } from './use-change.ts';

const path = '/onPremisesPublishingProfiles/applicationProxy/connectorGroups';

/** Everything about connector groups. */
export const connectorGroupsKey = ['connector-groups'] as const;

/** A connector group with what it holds. */
export interface GroupWithMembers extends ConnectorGroup {
  readonly connectors: readonly Connector[];
  readonly applications: readonly Application[];
}

/** Every group, with its connectors and applications: they are few, and each page shows them together. */
export const connectorGroupsQuery = queryOptions({
  queryKey: [...connectorGroupsKey, 'all'],
  queryFn: async ({ signal }): Promise<GroupWithMembers[]> => {
    const [groups, applications] = await Promise.all([
      readAll<ConnectorGroup>(path, signal),
      readAll<Application>('/applications', signal),
    ]);
    return Promise.all(
      groups.map(async group => ({
        ...group,
        connectors: await readAll<Connector>(`${path}/${group.id}/members?includeHidden=true`, signal),
        applications: applications.filter(({ connectorGroupId }) => connectorGroupId === group.id),
      })),
    );
  },
  refetchInterval: 15_000,
});

/** Connectors of a group that carry requests now. */
export function activeConnectorsOf(group: GroupWithMembers): readonly Connector[] {
  return group.connectors.filter(({ status }) => status === 'active');
}

export function useCreateConnectorGroup() {
  return useGroupChange((name: string) => change<ConnectorGroup>('POST', path, { name }));
}

export function useRenameConnectorGroup(id: string) {
  return useGroupChange((name: string) => change('PATCH', `${path}/${id}`, { name }));
}

/** Says which connectors of a group are preferred; null for those of the region of the service. */
export function useSetGroupRegion(id: string) {
  return useGroupChange((region: string | null) => change('PATCH', `${path}/${id}`, { region }));
}

/**
 * The group must be empty of applications and of connectors that are not revoked.
 *
 * @param onRemoved Called before the lists are read again: what shows the group is gone after that.
 */
export function useRemoveConnectorGroup(id: string, onRemoved: () => void) {
  return useGroupChange(() => change('DELETE', `${path}/${id}`), { onSuccess: onRemoved });
}

function useGroupChange<Input, Answer>(
  mutationFn: (input: Input) => Promise<Answer>,
  more?: { readonly onSuccess: () => void },
) {
  return useChange(mutationFn, [connectorGroupsKey], more);
}
