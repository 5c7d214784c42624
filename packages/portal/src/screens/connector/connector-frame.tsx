import { Button } from '@fluentui/react-components';
import type { Connector } from '@postern/protocol/admin/connectors';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { connectorQuery, useSetConnectorRegion } from '../../api/connectors.ts';
import { ConnectorState } from '../../components/connector-state.tsx';
import { Failure } from '../../components/failure.tsx';
import { PageLink } from '../../components/links.tsx';
import { Loading } from '../../components/loading.tsx';
import { Modal } from '../../components/modal.tsx';
import { Moment } from '../../components/moment.tsx';
import { Page } from '../../components/page.tsx';
import { PageContent, PageMenu, PageMenuLink } from '../../components/page-menu.tsx';
import { RegionForm } from '../../components/region-form.tsx';
import { DrainForm } from './drain-form.tsx';
import { MoveForm } from './move-form.tsx';
import { RevokeForm } from './revoke-form.tsx';

interface ConnectorFrameProps {
  readonly connectorId: string;
  readonly children: (connector: Connector) => ReactNode;
}

/** What the pages of one connector have in common: name, state, what can be done with it, and their menu. */
export function ConnectorFrame({ connectorId, children }: ConnectorFrameProps) {
  const connector = useQuery(connectorQuery(connectorId));
  const [dialog, setDialog] = useState<'drain' | 'move' | 'region' | 'revoke' | null>(null);
  const { data } = connector;
  const title = data?.machineName ?? 'Connector';
  const params = { connectorId };
  return (
    <Page
      title={title}
      above={<PageLink to="/connectors">Connectors</PageLink>}
      lead={data && <StateSentence connector={data} />}
      actions={
        data?.revokedDateTime === null && (
          <>
            <Button onClick={() => setDialog('drain')}>{data.isDraining ? 'Use again' : 'Drain'}</Button>
            <Button onClick={() => setDialog('move')}>Move to another group</Button>
            <Button onClick={() => setDialog('region')}>Region</Button>
            <Button onClick={() => setDialog('revoke')}>Revoke</Button>
          </>
        )
      }
    >
      <PageMenu label={title}>
        <PageMenuLink activeOptions={{ exact: true }} to="/connectors/$connectorId" params={params}>
          Overview
        </PageMenuLink>
        <PageMenuLink to="/connectors/$connectorId/events" params={params}>
          Events
        </PageMenuLink>
        <PageMenuLink to="/connectors/$connectorId/doctor" params={params}>
          Doctor
        </PageMenuLink>
      </PageMenu>
      <PageContent>
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
            {children(data)}
            <Modal isOpen={dialog === 'drain'} onClose={() => setDialog(null)}>
              <DrainForm connector={data} onClose={() => setDialog(null)} />
            </Modal>
            <Modal isOpen={dialog === 'move'} onClose={() => setDialog(null)}>
              <MoveForm connector={data} onClose={() => setDialog(null)} />
            </Modal>
            <Modal isOpen={dialog === 'region'} onClose={() => setDialog(null)}>
              <ConnectorRegionForm connector={data} onClose={() => setDialog(null)} />
            </Modal>
            <Modal isOpen={dialog === 'revoke'} onClose={() => setDialog(null)}>
              <RevokeForm connector={data} onClose={() => setDialog(null)} />
            </Modal>
          </>
        )}
      </PageContent>
    </Page>
  );
}

interface ConnectorRegionFormProps {
  readonly connector: Connector;
  readonly onClose: () => void;
}

function ConnectorRegionForm({ connector, onClose }: ConnectorRegionFormProps) {
  const set = useSetConnectorRegion(connector.id);
  return (
    <RegionForm
      name={connector.machineName}
      help="Where it is, such as eu-north; empty for nowhere in particular. Connectors in the region of their group, or else of the service, carry the requests; others only while none of those can."
      region={connector.region ?? null}
      isPending={set.isPending}
      error={set.error}
      onConfirm={region => set.mutate(region, { onSuccess: onClose })}
      onClose={onClose}
    />
  );
}

function StateSentence({ connector }: { readonly connector: Connector }) {
  return (
    <>
      <ConnectorState state={connector.status} />
      {' · '}
      <Sentence connector={connector} />
    </>
  );
}

function Sentence({ connector }: { readonly connector: Connector }) {
  const { revokedDateTime, lastSeenDateTime, certificate } = connector;
  switch (connector.status) {
    case 'active':
      return connector.isDraining
        ? 'It is drained: it answers the service, and gets no new requests.'
        : 'It answers the service through its tunnel.';
    case 'revoked':
      return (
        <>
          {revokedDateTime !== null && (
            <>
              since <Moment at={revokedDateTime} />.{' '}
            </>
          )}
          Its certificate is refused for good.
        </>
      );
    case 'expired':
      return (
        <>
          its trust certificate expired{' '}
          {certificate !== null && <Moment at={certificate.expirationDateTime} isRelative />}. Run{' '}
          <code>postern connector register</code> on its machine: it keeps its id and its group.
        </>
      );
    case 'inactive':
      if (lastSeenDateTime === null) return 'It has never connected.';
      return (
        <>
          last seen <Moment at={lastSeenDateTime} isRelative />. Run <code>postern connector doctor</code> on
          its machine to learn why.
        </>
      );
  }
}
