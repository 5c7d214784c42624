import { collection, collectionQuery, id } from '@postern/protocol/admin/collection';
import {
  type AppRoleAssignment,
  appRoleAssignment,
  appRoleAssignmentCreate,
  defaultAppRoleId,
  hideAppTag,
  servicePrincipal,
  servicePrincipalUpdate,
} from '@postern/protocol/admin/service-principals';
import { z } from 'zod';
import { requireApplication, updateAccess } from '../directory/applications.ts';
import { assign, findPrincipal, unassign } from '../directory/assignments.ts';
import type { Directory } from '../directory/directory.ts';
import { type ApplicationProperty, type ApplicationRow, listApplications } from '../store/applications.ts';
import { type AssignmentRow, listAssignmentsOfResource } from '../store/assignments.ts';
import * as events from '../telemetry/events.ts';
import { AdminError } from './admin-error.ts';
import { actorOf } from './authorize.ts';
import { entityTag, expectedVersion } from './entity-tag.ts';
import { answerPage, type ListKind, loadFrom } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { representServicePrincipal } from './represent.ts';
import { dateTime, idParams, listUrl, nothing } from './requests.ts';

const tags = ['servicePrincipals'];

// A service principal is the side of an application that says who may use it; one row holds both.
const servicePrincipalList: ListKind<ApplicationProperty, ApplicationRow> = {
  filterable: { id: 'servicePrincipalId', appId: 'appId', displayName: 'displayName' },
  sortKey: row => row.displayName,
};

export function addServicePrincipals(app: AdminApp, parts: ResourceParts): void {
  const { directory, log, portalOrigin, pagingKey: key } = parts;

  app.get(
    '/servicePrincipals',
    {
      schema: {
        summary: 'List service principals',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(servicePrincipal) },
      },
    },
    request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: servicePrincipalList,
          key,
          load: options => listApplications(directory.db, options),
          represent: rows => rows.map(representServicePrincipal),
        },
      ),
  );

  app.get(
    '/servicePrincipals/:id',
    {
      schema: {
        summary: 'Show a service principal',
        tags,
        params: idParams,
        response: { 200: servicePrincipal },
      },
    },
    async (request, reply) => {
      const row = await requireApplication(directory.db, request.params.id, 'servicePrincipalId');
      reply.header('etag', entityTag(row.version));
      return representServicePrincipal(row);
    },
  );

  app.patch(
    '/servicePrincipals/:id',
    {
      schema: {
        summary: 'Change who may use an application, and whether it is shown',
        tags,
        params: idParams,
        body: servicePrincipalUpdate,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const row = await requireApplication(directory.db, request.params.id, 'servicePrincipalId');
      const { accountEnabled, appRoleAssignmentRequired, tags: shownTags } = request.body;
      await updateAccess(
        directory,
        row.id,
        {
          accountEnabled,
          assignmentRequired: appRoleAssignmentRequired,
          visibleToUsers: shownTags === undefined ? undefined : !shownTags.includes(hideAppTag),
        },
        expectedVersion(request.headers['if-match']),
      );
      events.applicationChanged(log, { applicationId: row.id, what: 'access', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  // Microsoft Graph tells what is assigned to a service principal from what it is assigned to; ours are assigned to
  // nothing, and scripts for application proxy use either name for the former.
  for (const name of ['appRoleAssignedTo', 'appRoleAssignments'] as const) {
    addAssignments(app, parts, name);
  }
}

function addAssignments(
  app: AdminApp,
  { directory, log, portalOrigin, pagingKey: key }: ResourceParts,
  name: 'appRoleAssignedTo' | 'appRoleAssignments',
): void {
  app.get(
    `/servicePrincipals/:id/${name}`,
    {
      schema: {
        summary: 'List the users and groups that an application is assigned to',
        tags,
        params: idParams,
        querystring: collectionQuery,
        response: { 200: collection(appRoleAssignment) },
      },
    },
    async request => {
      const application = await requireApplication(directory.db, request.params.id, 'servicePrincipalId');
      return answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: placeOf },
          key,
          load: loadFrom(await listAssignmentsOfResource(directory.db, request.params.id), placeOf),
          represent: rows => Promise.all(rows.map(row => representAssignment(row, application, directory))),
        },
      );
    },
  );

  app.post(
    `/servicePrincipals/:id/${name}`,
    {
      schema: {
        summary: 'Assign an application to a user or a group',
        tags,
        params: idParams,
        body: appRoleAssignmentCreate,
        response: { 201: appRoleAssignment },
      },
    },
    async (request, reply) => {
      const { principalId, resourceId } = request.body;
      if (resourceId !== request.params.id) {
        throw new AdminError(
          'Request_BadRequest',
          'resourceId must be the id of the service principal in the address.',
        );
      }
      const application = await requireApplication(directory.db, resourceId, 'servicePrincipalId');
      const row = await assign(directory, resourceId, principalId);
      const actor = actorOf(request);
      events.assignmentChanged(log, { applicationId: application.id, principalId, what: 'assigned', actor });
      return reply.code(201).send(await representAssignment(row, application, directory));
    },
  );

  app.delete(
    `/servicePrincipals/:id/${name}/:assignmentId`,
    {
      schema: {
        summary: 'Take an assignment away',
        description: 'Requests in flight that only this assignment allowed are ended.',
        tags,
        params: z.strictObject({ id, assignmentId: id }),
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: resourceId, assignmentId } = request.params;
      const application = await requireApplication(directory.db, resourceId, 'servicePrincipalId');
      const { principalId } = await unassign(directory, resourceId, assignmentId);
      const actor = actorOf(request);
      events.assignmentChanged(log, { applicationId: application.id, principalId, what: 'removed', actor });
      return reply.code(204).send();
    },
  );
}

async function representAssignment(
  row: AssignmentRow,
  application: ApplicationRow,
  directory: Directory,
): Promise<AppRoleAssignment> {
  const principal = await findPrincipal(directory.db, row.principalId);
  return {
    id: row.id,
    appRoleId: defaultAppRoleId,
    createdDateTime: dateTime(row.createdAt),
    // Gone between two reads; the next one no longer has the assignment either.
    principalDisplayName: principal?.displayName ?? '',
    principalId: row.principalId,
    principalType: row.principalType === 'Group' ? 'Group' : 'User',
    resourceDisplayName: application.displayName,
    resourceId: row.resourceId,
  };
}

function placeOf({ createdAt }: AssignmentRow): string {
  return dateTime(createdAt);
}
