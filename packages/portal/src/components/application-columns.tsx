import { makeStyles } from '@fluentui/react-components';
import type { Application } from '@postern/protocol/admin/applications';
import { Fragment } from 'react';
import type { GroupWithMembers } from '../api/connector-groups.ts';
import { ApplicationState, applicationStateWords, stateOfApplication } from './application-state.tsx';
import type { Column } from './data-table.tsx';
import { PageLink } from './links.tsx';

const useStyles = makeStyles({ address: { overflowWrap: 'anywhere' } });

/** An application in a list, with the connector group that carries it. */
export interface ListedApplication {
  readonly application: Application;
  readonly group: GroupWithMembers;
}

/** What every list of applications begins with. */
export const applicationColumns: readonly Column<ListedApplication>[] = [
  {
    id: 'name',
    title: 'Application',
    isGivenName: true,
    sortKey: ({ application }) => application.displayName,
    cell: ({ application }) => (
      <PageLink to="/applications/$applicationId" params={{ applicationId: application.id }}>
        {application.displayName}
      </PageLink>
    ),
  },
  {
    id: 'state',
    title: 'State',
    sortKey: ({ application, group }) => applicationStateWords[stateOfApplication(application, group)],
    cell: ({ application, group }) => <ApplicationState state={stateOfApplication(application, group)} />,
  },
  {
    id: 'external',
    title: 'External URL',
    sortKey: ({ application }) => application.onPremisesPublishing?.externalUrl ?? '',
    cell: ({ application }) => <Address url={application.onPremisesPublishing?.externalUrl} />,
  },
  {
    id: 'internal',
    title: 'Internal URL',
    isMinor: true,
    sortKey: ({ application }) => application.onPremisesPublishing?.internalUrl ?? '',
    cell: ({ application }) => <Address url={application.onPremisesPublishing?.internalUrl} />,
  },
];

/** Broken where it is too long for its column, so that the columns behind it stay in sight. */
function Address({ url = '–' }: { readonly url: string | undefined }) {
  const parts = url.split(/(?<=[/.])(?=[^/])/);
  return (
    <span className={useStyles().address}>
      {parts.map((part, index) => (
        <Fragment key={parts.slice(0, index).join('')}>
          {index > 0 && <wbr />}
          {part}
        </Fragment>
      ))}
    </span>
  );
}
