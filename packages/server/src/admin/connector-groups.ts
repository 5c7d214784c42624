import { application } from '@postern/protocol/admin/applications';
import { collection, collectionQuery, reference } from '@postern/protocol/admin/collection';
import {
  connector,
  connectorGroup,
  connectorGroupCreate,
  connectorGroupUpdate,
  connectorListQuery,
} from '@postern/protocol/admin/connectors';
import { setConnectorGroup } from '../directory/applications.ts';
import {
  createConnectorGroup,
  deleteConnectorGroup,
  requireConnectorGroup,
  updateConnectorGroup,
} from '../directory/connector-groups.ts';
import { isHidden, moveConnector } from '../directory/connectors.ts';
import { listApplicationsOfConnectorGroup } from '../store/applications.ts';
import {
  type ConnectorGroupProperty,
  type ConnectorGroupRow,
  listConnectorGroups,
} from '../store/connector-groups.ts';
import { type ConnectorRow, listConnectorsOfGroup } from '../store/connectors.ts';
import * as events from '../telemetry/events.ts';
import { applicationList } from './applications.ts';
import { actorOf } from './authorize.ts';
import { entityTag, expectedVersion } from './entity-tag.ts';
import { answerPage, type ListKind, loadFrom } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { profilePath } from './publishing-profile.ts';
import { representApplications, representConnectorGroup, representConnectors } from './represent.ts';
import { idParams, listUrl, nothing, requireReferencedId } from './requests.ts';

const tags = ['connectorGroups'];
const path = `${profilePath}/connectorGroups` as const;

const connectorGroupList: ListKind<ConnectorGroupProperty, ConnectorGroupRow> = {
  filterable: { id: 'id', name: 'name', region: 'region' },
  sortKey: row => row.name,
};

export function addConnectorGroups(app: AdminApp, parts: ResourceParts): void {
  const { directory, log, portalOrigin, pagingKey: key } = parts;

  app.get(
    path,
    {
      schema: {
        summary: 'List connector groups',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(connectorGroup) },
      },
    },
    request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: connectorGroupList,
          key,
          load: options => listConnectorGroups(directory.db, options),
          represent: rows => rows.map(representConnectorGroup),
        },
      ),
  );

  app.post(
    path,
    {
      schema: {
        summary: 'Create a connector group',
        tags,
        body: connectorGroupCreate,
        response: { 201: connectorGroup },
      },
    },
    async (request, reply) => {
      const row = await createConnectorGroup(directory, request.body);
      const actor = actorOf(request);
      events.connectorGroupChanged(log, { connectorGroupId: row.id, what: 'created', actor });
      return reply.code(201).header('etag', entityTag(row.version)).send(representConnectorGroup(row));
    },
  );

  app.get(
    `${path}/:id`,
    {
      schema: {
        summary: 'Show a connector group',
        tags,
        params: idParams,
        response: { 200: connectorGroup },
      },
    },
    async (request, reply) => {
      const row = await requireConnectorGroup(directory.db, request.params.id);
      reply.header('etag', entityTag(row.version));
      return representConnectorGroup(row);
    },
  );

  app.patch(
    `${path}/:id`,
    {
      schema: {
        summary: 'Change a connector group',
        tags,
        params: idParams,
        body: connectorGroupUpdate,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: connectorGroupId } = request.params;
      const version = expectedVersion(request.headers['if-match']);
      await updateConnectorGroup(directory, connectorGroupId, request.body, version);
      events.connectorGroupChanged(log, { connectorGroupId, what: 'updated', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.delete(
    `${path}/:id`,
    {
      schema: {
        summary: 'Delete an empty connector group',
        tags,
        params: idParams,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: connectorGroupId } = request.params;
      await deleteConnectorGroup(directory, connectorGroupId, expectedVersion(request.headers['if-match']));
      events.connectorGroupChanged(log, { connectorGroupId, what: 'deleted', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.get(
    `${path}/:id/members`,
    {
      schema: {
        summary: 'List the connectors of a connector group',
        tags,
        params: idParams,
        querystring: connectorListQuery,
        response: { 200: collection(connector) },
      },
    },
    async request => {
      await requireConnectorGroup(directory.db, request.params.id);
      const all = await listConnectorsOfGroup(directory.db, request.params.id);
      const isShown = (row: ConnectorRow) => !isHidden(row, parts.inactiveAfterDays, directory.now());
      const rows = request.query.includeHidden === 'true' ? all : all.filter(isShown);
      return answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: machineNameOf },
          key,
          load: loadFrom(rows, machineNameOf),
          represent: page => representConnectors(page, parts),
        },
      );
    },
  );

  app.get(
    `${path}/:id/applications`,
    {
      schema: {
        summary: 'List the applications that a connector group carries',
        tags,
        params: idParams,
        querystring: collectionQuery,
        response: { 200: collection(application) },
      },
    },
    async request => {
      await requireConnectorGroup(directory.db, request.params.id);
      const rows = await listApplicationsOfConnectorGroup(directory.db, request.params.id);
      return answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: applicationList.sortKey },
          key,
          load: loadFrom(rows, applicationList.sortKey),
          represent: page => representApplications(page, parts),
        },
      );
    },
  );

  app.post(
    `${path}/:id/members/$ref`,
    {
      schema: {
        summary: 'Move a connector to this connector group',
        tags,
        params: idParams,
        body: reference,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: connectorGroupId } = request.params;
      const connectorId = requireReferencedId(request.body);
      await moveConnector(directory, connectorId, connectorGroupId);
      events.connectorMoved(log, { connectorId, connectorGroupId, actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.post(
    `${path}/:id/applications/$ref`,
    {
      schema: {
        summary: 'Bind an application to this connector group',
        tags,
        params: idParams,
        body: reference,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const applicationId = requireReferencedId(request.body);
      await setConnectorGroup(directory, applicationId, request.params.id);
      events.applicationChanged(log, { applicationId, what: 'connector_group', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );
}

function machineNameOf({ machineName }: ConnectorRow): string {
  return machineName;
}
