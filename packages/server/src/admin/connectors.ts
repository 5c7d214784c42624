import { collection, collectionQuery, reference } from '@postern/protocol/admin/collection';
import {
  type ConnectorEvent,
  connector,
  connectorEvent,
  connectorGroup,
  connectorListQuery,
  connectorUpdate,
} from '@postern/protocol/admin/connectors';
import { requireConnectorGroup } from '../directory/connector-groups.ts';
import {
  hiddenBefore,
  moveConnector,
  requireConnector,
  revokeConnector,
  setDraining,
  setRegion,
} from '../directory/connectors.ts';
import { type ConnectorEventRow, listConnectorEvents } from '../store/connector-events.ts';
import { type ConnectorProperty, type ConnectorRow, listConnectors } from '../store/connectors.ts';
import * as events from '../telemetry/events.ts';
import { actorOf } from './authorize.ts';
import { answerPage, type ListKind } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { profilePath } from './publishing-profile.ts';
import { representConnectorGroup, representConnectors } from './represent.ts';
import { dateTime, idParams, listUrl, nothing, requireReferencedId } from './requests.ts';

const tags = ['connectors'];
const path = `${profilePath}/connectors` as const;

const connectorList: ListKind<ConnectorProperty, ConnectorRow> = {
  filterable: { id: 'id', machineName: 'machineName', externalIp: 'externalIp', version: 'version' },
  sortKey: row => row.machineName,
};

export function addConnectors(app: AdminApp, parts: ResourceParts): void {
  const { directory, log, portalOrigin, pagingKey: key, journal } = parts;

  app.get(
    path,
    {
      schema: {
        summary: 'List connectors',
        description:
          'Leaves those out that were not seen for connectors.inactiveAfterDays, unless includeHidden is true.',
        tags,
        querystring: connectorListQuery,
        response: { 200: collection(connector) },
      },
    },
    request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: connectorList,
          key,
          load: options =>
            listConnectors(
              directory.db,
              options,
              request.query.includeHidden === 'true'
                ? null
                : hiddenBefore(parts.inactiveAfterDays, directory.now()),
            ),
          represent: rows => representConnectors(rows, parts),
        },
      ),
  );

  app.get(
    `${path}/:id`,
    { schema: { summary: 'Show a connector', tags, params: idParams, response: { 200: connector } } },
    async request => {
      const row = await requireConnector(directory.db, request.params.id);
      const [represented] = await representConnectors([row], parts);
      return represented!;
    },
  );

  app.patch(
    `${path}/:id`,
    {
      schema: {
        summary: 'Say where a connector is',
        tags,
        params: idParams,
        body: connectorUpdate,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: connectorId } = request.params;
      const region = request.body.region?.trim() || null;
      await setRegion(directory, connectorId, region);
      events.connectorRegionChanged(log, { connectorId, region, actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.get(
    `${path}/:id/events`,
    {
      schema: {
        summary: 'List what happened to a connector lately',
        description: 'As the service saw it; the last hundred, the newest first.',
        tags,
        params: idParams,
        response: { 200: collection(connectorEvent) },
      },
    },
    async request => {
      const { id } = await requireConnector(directory.db, request.params.id);
      const rows = await listConnectorEvents(directory.db, id);
      return { value: rows.map(representConnectorEvent) };
    },
  );

  const revoke = {
    schema: {
      summary: 'Revoke a connector',
      description: 'Its tunnels are cut; it stays in the list as revoked and cannot come back.',
      tags,
      params: idParams,
      response: { 204: nothing },
    },
  };
  app.delete(`${path}/:id`, revoke, async (request, reply) => {
    await revokeConnector(directory, request.params.id);
    events.connectorRevoked(log, { connectorId: request.params.id, actor: actorOf(request) });
    journal.record(request.params.id, 'revoked', 'warn', 'An administrator revoked the connector.');
    return reply.code(204).send();
  });
  app.post(`${path}/:id/revoke`, revoke, async (request, reply) => {
    await revokeConnector(directory, request.params.id);
    events.connectorRevoked(log, { connectorId: request.params.id, actor: actorOf(request) });
    journal.record(request.params.id, 'revoked', 'warn', 'An administrator revoked the connector.');
    return reply.code(204).send();
  });

  for (const [name, draining, summary] of [
    ['drain', true, 'Give a connector no new requests; those in flight are finished'],
    ['resume', false, 'Give a drained connector requests again'],
  ] as const) {
    app.post(
      `${path}/:id/${name}`,
      { schema: { summary, tags, params: idParams, response: { 204: nothing } } },
      async (request, reply) => {
        const { id: connectorId } = request.params;
        await setDraining(directory, connectorId, draining);
        events.connectorDraining(log, { connectorId, draining, actor: actorOf(request) });
        const what = draining
          ? 'An administrator drained the connector.'
          : 'An administrator ended its draining.';
        journal.record(connectorId, draining ? 'drained' : 'resumed', 'info', what);
        return reply.code(204).send();
      },
    );
  }

  app.get(
    `${path}/:id/memberOf`,
    {
      schema: {
        summary: 'Show the connector group of a connector',
        tags,
        params: idParams,
        querystring: collectionQuery,
        response: { 200: collection(connectorGroup) },
      },
    },
    async request => {
      const { groupId } = await requireConnector(directory.db, request.params.id);
      return { value: [representConnectorGroup(await requireConnectorGroup(directory.db, groupId))] };
    },
  );

  app.post(
    `${path}/:id/memberOf/$ref`,
    {
      schema: {
        summary: 'Move a connector to a connector group',
        tags,
        params: idParams,
        body: reference,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: connectorId } = request.params;
      const connectorGroupId = requireReferencedId(request.body);
      await moveConnector(directory, connectorId, connectorGroupId);
      events.connectorMoved(log, { connectorId, connectorGroupId, actor: actorOf(request) });
      const group = await requireConnectorGroup(directory.db, connectorGroupId);
      const moved = `An administrator moved the connector to the connector group ${group.name}.`;
      journal.record(connectorId, 'moved', 'info', moved);
      return reply.code(204).send();
    },
  );
}

function representConnectorEvent(row: ConnectorEventRow): ConnectorEvent {
  const { sequence, event, level, message, createdAt } = row;
  return {
    id: String(sequence),
    event,
    level,
    message,
    createdDateTime: dateTime(createdAt),
  } as ConnectorEvent;
}
