import type { Application } from '@postern/protocol/admin/applications';
import { useQuery } from '@tanstack/react-query';
import { Fragment } from 'react';
import { connectorGroupsQuery } from '../api/connector-groups.ts';
import { PageLink } from './links.tsx';

/** Hosts at which people reach an application; a wildcard is one, and stands for those of its segments. */
export function hostsOf({ onPremisesPublishing: publishing }: Application): readonly string[] {
  if (publishing === null) return [];
  const { externalUrl, alternateUrl } = publishing;
  return [externalUrl, ...(alternateUrl === null ? [] : [alternateUrl])].map(url => hostOf(new URL(url)));
}

/** A host as the service writes it: of a wildcard browsers make `%2A`. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^%2a/i, '*');
}

/** Links to the applications that people reach at some hosts, which are published. */
export function ApplicationsAt({ hosts }: { readonly hosts: readonly string[] }) {
  const groups = useQuery(connectorGroupsQuery);
  if (hosts.length === 0) return 'None';
  const applications = groups.data
    ?.flatMap(group => group.applications)
    .filter(application => hostsOf(application).some(host => hosts.some(one => isAt(one, host))))
    .sort((a, b) => a.displayName.localeCompare(b.displayName));
  if (applications === undefined) return '…';
  return applications.map(({ id, displayName }, index) => (
    <Fragment key={id}>
      {index > 0 && ', '}
      <PageLink to="/applications/$applicationId" params={{ applicationId: id }}>
        {displayName}
      </PageLink>
    </Fragment>
  ));
}

/** A segment's host is no host of its own in a list of applications: it lies under the wildcard. */
function isAt(host: string, hostOfApplication: string): boolean {
  if (host === hostOfApplication) return true;
  return hostOfApplication.startsWith('*.') && host.endsWith(hostOfApplication.slice(1));
}
