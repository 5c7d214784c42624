import { Button } from '@fluentui/react-components';
import type { Connector } from '@postern/protocol/admin/connectors';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { connectorGroupsQuery } from '../../api/connector-groups.ts';
import { connectorQuery } from '../../api/connectors.ts';
import { ConnectorState, stateOf } from '../../components/connector-state.tsx';
import { CopyText } from '../../components/copy-text.tsx';
import { Facts } from '../../components/facts.tsx';
import { Failure } from '../../components/failure.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Moment } from '../../components/moment.tsx';
import { Page } from '../../components/page.tsx';
import { Section } from '../../components/section.tsx';
import { MoveForm } from './move-form.tsx';
import { RevokeForm } from './revoke-form.tsx';

/** One connector: whether it works, where it is, what it carries, and what can be done with it. */
export function ConnectorPage() {
  const { connectorId } = useParams({ from: '/connectors/$connectorId' });
  const connector = useQuery(connectorQuery(connectorId));
  const [dialog, setDialog] = useState<'move' | 'revoke' | null>(null);
  const { data } = connector;
  return (
    <Page
      title={data?.machineName ?? 'Connector'}
      above={<PageLink to="/connectors">Connectors</PageLink>}
      lead={data && <StateSentence connector={data} />}
      actions={
        data?.revokedDateTime === null && (
          <>
            <Button onClick={() => setDialog('move')}>Move to another group</Button>
            <Button onClick={() => setDialog('revoke')}>Revoke</Button>
          </>
        )
      }
    >
      {connector.isError && (
        <Failure
          error={connector.error}
          what="The connector cannot be shown."
          retry={() => void connector.refetch()}
        />
      )}
      {connector.isPending && <Loading what="the connector" />}
      {data !== undefined && (
        <>
          <Details connector={data} />
          <Carries connector={data} />
          <Modal isOpen={dialog === 'move'} onClose={() => setDialog(null)}>
            <MoveForm connector={data} onClose={() => setDialog(null)} />
          </Modal>
          <Modal isOpen={dialog === 'revoke'} onClose={() => setDialog(null)}>
            <RevokeForm connector={data} onClose={() => setDialog(null)} />
          </Modal>
        </>
      )}
    </Page>
  );
}

function StateSentence({ connector }: { readonly connector: Connector }) {
  const state = stateOf(connector);
  return (
    <>
      <ConnectorState state={state} />
      {' · '}
      {state === 'revoked' && connector.revokedDateTime !== null && (
        <>
          since <Moment at={connector.revokedDateTime} />. Its certificate is refused for good.
        </>
      )}
      {state === 'active' && 'It has a tunnel to the service now.'}
      {state !== 'revoked' &&
        state !== 'active' &&
        connector.lastSeenDateTime === null &&
        'It has never connected.'}
      {state !== 'revoked' && state !== 'active' && connector.lastSeenDateTime !== null && (
        <>
          last seen <Moment at={connector.lastSeenDateTime} isRelative />. Run{' '}
          <code>postern connector doctor</code> on its machine to learn why.
        </>
      )}
    </>
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
  const others = group.connectors.filter(({ id, status }) => id !== connector.id && status === 'active');
  return (
    <Section title="Connector group">
      <Facts
        rows={[
          [
            'Group',
            <PageLink key="group" to="/connector-groups/$groupId" params={{ groupId: group.id }}>
              {group.name}
            </PageLink>,
          ],
          [
            'Applications',
            group.applications.length === 0
              ? 'None'
              : group.applications.map(({ displayName }) => displayName).join(', '),
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
