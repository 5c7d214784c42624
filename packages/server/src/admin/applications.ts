import { application, applicationCreate, applicationUpdate } from '@postern/protocol/admin/applications';
import { collection, collectionQuery, reference } from '@postern/protocol/admin/collection';
import { connectorGroup } from '@postern/protocol/admin/connectors';
import { onPremisesPublishing } from '@postern/protocol/admin/publishing';
import {
  configurePublishing,
  createApplication,
  deleteApplication,
  requireApplication,
  setConnectorGroup,
  updateApplication,
} from '../directory/applications.ts';
import { requireConnectorGroup } from '../directory/connector-groups.ts';
import { publishingOf } from '../directory/publishing.ts';
import { type ApplicationProperty, type ApplicationRow, listApplications } from '../store/applications.ts';
import type { PublicCertificateRow } from '../store/public-certificates.ts';
import * as events from '../telemetry/events.ts';
import { AdminError } from './admin-error.ts';
import {
  certificateMetadata,
  logCertificateChange,
  prepareUploadForApplication,
} from './application-certificate.ts';
import { actorOf } from './authorize.ts';
import { entityTag, expectedVersion } from './entity-tag.ts';
import { answerPage, type ListKind } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { representApplications, representConnectorGroup, representOneApplication } from './represent.ts';
import { idParams, listUrl, nothing, requireReferencedId } from './requests.ts';

const tags = ['applications'];

/** How applications are listed. */
export const applicationList: ListKind<ApplicationProperty, ApplicationRow> = {
  filterable: { id: 'id', appId: 'appId', displayName: 'displayName' },
  sortKey: row => row.displayName,
};

export function addApplications(app: AdminApp, parts: ResourceParts): void {
  const { directory, log, portalOrigin, pagingKey: key, secrets } = parts;
  const represent = (row: ApplicationRow) => representOneApplication(row, parts);

  app.get(
    '/applications',
    {
      schema: {
        summary: 'List applications',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(application) },
      },
    },
    request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: applicationList,
          key,
          load: options => listApplications(directory.db, options),
          represent: rows => representApplications(rows, parts),
        },
      ),
  );

  app.post(
    '/applications',
    {
      schema: {
        summary: 'Create an application with its service principal',
        description: 'It is published when its onPremisesPublishing has been set.',
        tags,
        body: applicationCreate,
        response: { 201: application },
      },
    },
    async (request, reply) => {
      const { displayName, web } = request.body;
      const row = await createApplication(directory, { displayName, homePageUrl: web?.homePageUrl });
      events.applicationChanged(log, {
        applicationId: row.id,
        what: 'created',
        actor: actorOf(request),
      });
      return reply
        .code(201)
        .header('etag', entityTag(row.version))
        .send(await represent(row));
    },
  );

  app.get(
    '/applications/:id',
    {
      schema: { summary: 'Show an application', tags, params: idParams, response: { 200: application } },
    },
    async (request, reply) => {
      const row = await requireApplication(directory.db, request.params.id);
      reply.header('etag', entityTag(row.version));
      return represent(row);
    },
  );

  app.patch(
    '/applications/:id',
    {
      schema: {
        summary: 'Change an application, or how it is published',
        description: 'onPremisesPublishing stands alone in its request.',
        tags,
        params: idParams,
        body: applicationUpdate,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: applicationId } = request.params;
      const { onPremisesPublishing: publishing, displayName, web } = request.body;
      const version = expectedVersion(request.headers['if-match']);
      if (publishing === undefined) {
        const update = { displayName, homePageUrl: web?.homePageUrl };
        await updateApplication(directory, applicationId, update, version);
      } else {
        const upload = await prepareUploadForApplication({ directory, secrets }, applicationId, publishing);
        const uploaded: PublicCertificateRow[] = [];
        await configurePublishing(
          directory,
          applicationId,
          publishing,
          version,
          upload && (async (db, touched) => uploaded.push(await upload(db, touched))),
        );
        for (const certificate of uploaded) {
          logCertificateChange(log, certificate, 'uploaded', actorOf(request));
        }
      }
      const what = publishing === undefined ? 'updated' : 'published';
      events.applicationChanged(log, { applicationId, what, actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.delete(
    '/applications/:id',
    {
      schema: {
        summary: 'Delete an application with its service principal and assignments',
        tags,
        params: idParams,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: applicationId } = request.params;
      await deleteApplication(directory, applicationId, expectedVersion(request.headers['if-match']));
      events.applicationChanged(log, { applicationId, what: 'deleted', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.get(
    '/applications/:id/onPremisesPublishing',
    {
      schema: {
        summary: 'Show how an application is published',
        tags,
        params: idParams,
        response: { 200: onPremisesPublishing },
      },
    },
    async (request, reply) => {
      const row = await requireApplication(directory.db, request.params.id);
      const publishing = publishingOf(row, directory.address);
      if (publishing === null) {
        throw new AdminError('Request_ResourceNotFound', `${row.displayName} is not published yet.`);
      }
      reply.header('etag', entityTag(row.version));
      const verifiedCustomDomainCertificatesMetadata = await certificateMetadata(directory, publishing);
      return { ...publishing, verifiedCustomDomainCertificatesMetadata };
    },
  );

  app.get(
    '/applications/:id/connectorGroup',
    {
      schema: {
        summary: 'Show the connector group that carries an application',
        tags,
        params: idParams,
        response: { 200: connectorGroup },
      },
    },
    async request => {
      const { connectorGroupId } = await requireApplication(directory.db, request.params.id);
      return representConnectorGroup(await requireConnectorGroup(directory.db, connectorGroupId));
    },
  );

  app.put(
    '/applications/:id/connectorGroup/$ref',
    {
      schema: {
        summary: 'Bind an application to a connector group',
        tags,
        params: idParams,
        body: reference,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: applicationId } = request.params;
      const version = expectedVersion(request.headers['if-match']);
      await setConnectorGroup(directory, applicationId, requireReferencedId(request.body), version);
      events.applicationChanged(log, { applicationId, what: 'connector_group', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );
}
