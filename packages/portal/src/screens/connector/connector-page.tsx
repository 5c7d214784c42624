import type { Connector } from '@postern/protocol/admin/connectors';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { Fragment } from 'react';
import { activeConnectorsOf, connectorGroupsQuery } from '../../api/connector-groups.ts';
import { CopyText } from '../../components/copy-text.tsx';
import { Facts } from '../../components/facts.tsx';
import { Failure } from '../../components/failure.tsx';
import { GroupLink, PageLink } from '../../components/links.tsx';
import { Moment } from '../../components/moment.tsx';
import { Section } from '../../components/section.tsx';
import { Certificate } from './certificate.tsx';
import { ConnectorFrame } from './connector-frame.tsx';

/** One connector: whether it works, where it is, how long it is trusted, and what it carries. */
export function ConnectorPage() {
  const { connectorId } = useParams({ from: '/connectors/$connectorId' });
  return (
    <ConnectorFrame connectorId={connectorId}>
      {connector => (
        <>
          <Details connector={connector} />
          <Certificate connector={connector} />
          <Carries connector={connector} />
        </>
      )}
    </ConnectorFrame>
  );
}

function Details({ connector }: { readonly connector: Connector }) {
  return (
    <Section title="Details">
      <Facts
        rows={[
          [
            'Last seen',
            connector.lastSeenDateTime === null ? (
              'Never'
            ) : (
              <Moment key="seen" at={connector.lastSeenDateTime} />
            ),
          ],
          ['Address', connector.externalIp ?? 'Not known: it has not connected yet'],
          ['Region', connector.region ?? 'None'],
          ['Version', connector.version],
          ['Operating system', connector.os],
          ['Registered', <Moment key="registered" at={connector.registeredDateTime} />],
          connector.revokedDateTime === null
            ? null
            : ['Revoked', <Moment key="revoked" at={connector.revokedDateTime} />],
          ['Connector id', <CopyText key="id" text={connector.id} what="connector id" />],
        ]}
      />
    </Section>
  );
}

/** Its group and the applications that the group carries. */
function Carries({ connector }: { readonly connector: Connector }) {
  const groups = useQuery(connectorGroupsQuery);
  const group = groups.data?.find(({ connectors }) => connectors.some(({ id }) => id === connector.id));
  if (group === undefined) {
    return groups.isError ? <Failure error={groups.error} what="Its group cannot be shown." /> : null;
  }
  const others = activeConnectorsOf(group).filter(({ id }) => id !== connector.id);
  return (
    <Section title="Connector group">
      <Facts
        rows={[
          ['Group', <GroupLink key="group" group={group} />],
          [
            'Applications',
            group.applications.length === 0
              ? 'None'
              : group.applications.map(({ id, displayName }, index) => (
                  <Fragment key={id}>
                    {index > 0 && ', '}
                    <PageLink to="/applications/$applicationId" params={{ applicationId: id }}>
                      {displayName}
                    </PageLink>
                  </Fragment>
                )),
          ],
          [
            'Other active connectors',
            others.length === 0 ? 'None' : others.map(({ machineName }) => machineName).join(', '),
          ],
        ]}
      />
    </Section>
  );
}
