import { collection, collectionQuery, reference } from '@postern/protocol/admin/collection';
import { type Connector, connector, connectorGroup } from '@postern/protocol/admin/connectors';
import { requireConnectorGroup } from '../directory/connector-groups.ts';
import { moveConnector, requireConnector, revokeConnector } from '../directory/connectors.ts';
import { type ConnectorProperty, type ConnectorRow, listConnectors } from '../store/connectors.ts';
import { representConnectorGroup } from './connector-groups.ts';
import { answerPage, type ListKind } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { profilePath } from './publishing-profile.ts';
import { dateTime, dateTimeOrNull, idParams, listUrl, nothing, requireReferencedId } from './requests.ts';

const tags = ['connectors'];
const path = `${profilePath}/connectors` as const;

const connectorList: ListKind<ConnectorProperty, ConnectorRow> = {
  filterable: { id: 'id', machineName: 'machineName', externalIp: 'externalIp', version: 'version' },
  sortKey: row => row.machineName,
};

export function addConnectors(app: AdminApp, parts: ResourceParts): void {
  const { directory, portalOrigin, pagingKey: key } = parts;

  app.get(
    path,
    {
      schema: {
        summary: 'List connectors',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(connector) },
      },
    },
    request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: connectorList,
          key,
          load: options => listConnectors(directory.db, options),
          represent: rows => rows.map(row => representConnector(row, parts)),
        },
      ),
  );

  app.get(
    `${path}/:id`,
    { schema: { summary: 'Show a connector', tags, params: idParams, response: { 200: connector } } },
    async request => representConnector(await requireConnector(directory.db, request.params.id), parts),
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
    return reply.code(204).send();
  });
  app.post(`${path}/:id/revoke`, revoke, async (request, reply) => {
    await revokeConnector(directory, request.params.id);
    return reply.code(204).send();
  });

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
      await moveConnector(directory, request.params.id, requireReferencedId(request.body));
      return reply.code(204).send();
    },
  );
}

/** A connector as the API shows it; it is active while a tunnel of it is open. */
export function representConnector(
  row: ConnectorRow,
  { isConnectorLive }: Pick<ResourceParts, 'isConnectorLive'>,
): Connector {
  return {
    id: row.id,
    machineName: row.machineName,
    externalIp: row.externalIp,
    status: row.revokedAt === null && isConnectorLive(row.id) ? 'active' : 'inactive',
    version: row.version,
    os: row.os,
    registeredDateTime: dateTime(row.createdAt),
    lastSeenDateTime: dateTimeOrNull(row.lastSeenAt),
    revokedDateTime: dateTimeOrNull(row.revokedAt),
  };
}
