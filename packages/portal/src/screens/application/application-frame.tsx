import { Button } from '@fluentui/react-components';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { type ApplicationWithAccess, applicationQuery } from '../../api/applications.ts';
import { connectorGroupsQuery, type GroupWithMembers } from '../../api/connector-groups.ts';
import {
  ApplicationState,
  type ApplicationStateName,
  stateOfApplication,
} from '../../components/application-state.tsx';
import { Failure } from '../../components/failure.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Page } from '../../components/page.tsx';
import { PageContent, PageMenu, PageMenuLink } from '../../components/page-menu.tsx';
import { DeleteForm } from './delete-form.tsx';

/** What the pages of an application are given. */
export interface ShownApplication extends ApplicationWithAccess {
  /** The connector group that carries it; undefined until the groups have been read. */
  readonly group: GroupWithMembers | undefined;
}

interface ApplicationFrameProps {
  readonly applicationId: string;
  readonly children: (shown: ShownApplication) => ReactNode;
}

/** What the pages of one application have in common: name, state, what can be done with it, and their menu. */
export function ApplicationFrame({ applicationId, children }: ApplicationFrameProps) {
  const query = useQuery(applicationQuery(applicationId));
  const groups = useQuery(connectorGroupsQuery);
  const [isDeleting, setIsDeleting] = useState(false);
  const { data } = query;
  const group = groups.data?.find(({ id }) => id === data?.application.connectorGroupId);
  const title = data?.application.displayName ?? 'Application';
  const externalUrl = data?.application.onPremisesPublishing?.externalUrl;
  const params = { applicationId };
  return (
    <Page
      title={title}
      above={<PageLink to="/applications">Applications</PageLink>}
      lead={data && <StateSentence state={stateOfApplication(data.application, group)} group={group} />}
      actions={
        data !== undefined && (
          <>
            {externalUrl !== undefined && (
              <Button as="a" href={externalUrl} target="_blank" rel="noreferrer">
                Open
              </Button>
            )}
            <Button onClick={() => setIsDeleting(true)}>Delete</Button>
          </>
        )
      }
    >
      <PageMenu label={title}>
        <PageMenuLink activeOptions={{ exact: true }} to="/applications/$applicationId" params={params}>
          Overview
        </PageMenuLink>
        <PageMenuLink to="/applications/$applicationId/settings" params={params}>
          Settings
        </PageMenuLink>
        <PageMenuLink to="/applications/$applicationId/users" params={params}>
          Users and groups
        </PageMenuLink>
        <PageMenuLink to="/applications/$applicationId/programs" params={params}>
          Programs
        </PageMenuLink>
        <PageMenuLink to="/applications/$applicationId/backends" params={params}>
          Backends
        </PageMenuLink>
        <PageMenuLink to="/applications/$applicationId/segments" params={params}>
          Segments
        </PageMenuLink>
        <PageMenuLink to="/applications/$applicationId/cors" params={params}>
          CORS
        </PageMenuLink>
        <PageMenuLink to="/applications/$applicationId/test" params={params}>
          Test
        </PageMenuLink>
      </PageMenu>
      <PageContent>
        {query.isError && (
          <Failure
            error={query.error}
            what="The application cannot be shown."
            retry={() => void query.refetch()}
          />
        )}
        {query.isPending && <Loading what="the application" />}
        {data !== undefined && (
          <>
            {children({ ...data, group })}
            <Modal isOpen={isDeleting} onClose={() => setIsDeleting(false)}>
              <DeleteForm shown={data} onClose={() => setIsDeleting(false)} />
            </Modal>
          </>
        )}
      </PageContent>
    </Page>
  );
}

interface StateSentenceProps {
  readonly state: ApplicationStateName;
  readonly group: GroupWithMembers | undefined;
}

function StateSentence({ state, group }: StateSentenceProps) {
  return (
    <>
      <ApplicationState state={state} /> · {sentenceFor(state, group?.name ?? 'its group')}
    </>
  );
}

function sentenceFor(state: ApplicationStateName, groupName: string): string {
  switch (state) {
    case 'published':
      return `Requests go through the connectors of ${groupName}.`;
    case 'maintenance':
      return 'People find a page that says that it is being worked on.';
    case 'unreachable':
      return `No connector of ${groupName} has a tunnel to the service now, so nobody reaches the application.`;
    case 'disabled':
      return 'Nobody is let in, assigned or not.';
    case 'unpublished':
      return 'It has no addresses yet. Give it an internal URL under Settings.';
  }
}
