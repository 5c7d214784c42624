import type { Application } from '@postern/protocol/admin/applications';
import type { Collection } from '@postern/protocol/admin/collection';
import type { OnPremisesPublishing, OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import type { ServicePrincipal, ServicePrincipalUpdate } from '@postern/protocol/admin/service-principals';
import { queryOptions } from '@tanstack/react-query';
import { change, read, readTagged, referenceTo } from './client.ts';
import { connectorGroupsKey } from './connector-groups.ts';
import { useChange } from './use-change.ts';

const groupsPath = '/onPremisesPublishingProfiles/applicationProxy/connectorGroups';

/** Everything about single applications; lists of them come with their connector groups. */
export const applicationsKey = ['applications'] as const;

/** An application with the side of it that says who may use it. */
export interface ApplicationWithAccess {
  readonly application: Application;
  readonly access: ServicePrincipal;
  /** Entity tag of both. */
  readonly tag: string;
}

export function applicationQuery(id: string) {
  return queryOptions({
    queryKey: [...applicationsKey, id],
    queryFn: async ({ signal }): Promise<ApplicationWithAccess> => {
      const { item, tag } = await readTagged<Application>(`/applications/${id}`, signal);
      const filter = new URLSearchParams({ $filter: `appId eq '${item.appId}'` });
      const { value } = await read<Collection<ServicePrincipal>>(`/servicePrincipals?${filter}`, signal);
      const [access] = value;
      if (access === undefined) throw new Error('The application has been deleted meanwhile.');
      return { application: item, access, tag };
    },
    refetchInterval: 15_000,
  });
}

/** The certificate that people see at the external URL, where it was uploaded or got for it; null where the service's own is used. */
export function certificateQuery(id: string) {
  return queryOptions({
    queryKey: [...applicationsKey, id, 'certificate'],
    queryFn: async ({ signal }) => {
      const publishing = await read<OnPremisesPublishing>(`/applications/${id}/onPremisesPublishing`, signal);
      return publishing.verifiedCustomDomainCertificatesMetadata ?? null;
    },
  });
}

/** What a new application is given; the rest has its defaults. */
export interface NewApplication {
  readonly displayName: string;
  readonly publishing: OnPremisesPublishingUpdate;
  readonly connectorGroupId: string;
}

/** Makes an application and publishes it; where that is refused, nothing of it is left. */
export function usePublishApplication() {
  return useChange(
    async ({ displayName, publishing, connectorGroupId }: NewApplication) => {
      const { id } = await change<Application>('POST', '/applications', { displayName });
      try {
        await change('PATCH', `/applications/${id}`, { onPremisesPublishing: publishing });
        await bind(id, connectorGroupId);
      } catch (error) {
        await change('DELETE', `/applications/${id}`).catch(() => {});
        throw error;
      }
      return id;
    },
    [connectorGroupsKey],
  );
}

/** One change of an application, of the part that is named. */
export type ApplicationChange =
  | { readonly part: 'application'; readonly values: { displayName?: string; homePageUrl?: string | null } }
  | { readonly part: 'publishing'; readonly values: OnPremisesPublishingUpdate }
  | { readonly part: 'access'; readonly values: ServicePrincipalUpdate }
  | { readonly part: 'connectorGroup'; readonly values: { connectorGroupId: string } };

/** Changes an application from the version that `tag` names; one that came between is refused with 412. */
export function useChangeApplication({ application, access }: ApplicationWithAccess) {
  const { id } = application;
  const send = (wanted: ApplicationChange, tag: string): Promise<void> => {
    switch (wanted.part) {
      case 'application': {
        const { homePageUrl, ...rest } = wanted.values;
        const body = { ...rest, ...(homePageUrl !== undefined && { web: { homePageUrl } }) };
        return change('PATCH', `/applications/${id}`, body, tag);
      }
      case 'publishing':
        return change('PATCH', `/applications/${id}`, { onPremisesPublishing: wanted.values }, tag);
      case 'access':
        return change('PATCH', `/servicePrincipals/${access.id}`, wanted.values, tag);
      case 'connectorGroup':
        return bind(id, wanted.values.connectorGroupId, tag);
    }
  };
  return useApplicationChange((input: { readonly wanted: ApplicationChange; readonly tag: string }) =>
    send(input.wanted, input.tag),
  );
}

/** @param onDeleted Called before anything is read again: what shows the application is gone after that. */
export function useDeleteApplication({ application, tag }: ApplicationWithAccess, onDeleted: () => void) {
  return useApplicationChange(() => change('DELETE', `/applications/${application.id}`, undefined, tag), {
    onSuccess: onDeleted,
  });
}

function bind(applicationId: string, groupId: string, tag?: string): Promise<void> {
  const group = referenceTo(`${groupsPath}/${groupId}`);
  return change('PUT', `/applications/${applicationId}/connectorGroup/$ref`, group, tag);
}

function useApplicationChange<Input = void>(
  mutationFn: (input: Input) => Promise<void>,
  more?: { readonly onSuccess: () => void },
) {
  return useChange(mutationFn, [applicationsKey, connectorGroupsKey], more);
}
