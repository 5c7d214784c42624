import { collection, collectionQuery, id, reference } from '@postern/protocol/admin/collection';
import {
  type DirectoryRole,
  directoryRole,
  type RoleName,
  roleName,
  roleTemplateIds,
  user,
} from '@postern/protocol/admin/directory';
import { z } from 'zod';
import { assignRole, removeRole } from '../directory/roles.ts';
import { listUsersWithRole } from '../store/roles.ts';
import * as events from '../telemetry/events.ts';
import { AdminError } from './admin-error.ts';
import { actorOf } from './authorize.ts';
import { answerPage, loadFrom } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { representUser } from './represent.ts';
import { idParams, listUrl, nothing, requireReferencedId } from './requests.ts';
import { userList } from './users.ts';

const tags = ['directoryRoles'];

const descriptions: Readonly<Record<RoleName, string>> = {
  'Global Administrator':
    'Manages users, groups and roles, and everything an Application Administrator manages.',
  'Application Administrator': 'Publishes applications, assigns them, and manages connectors.',
};

const roles: readonly DirectoryRole[] = roleName.options.map(displayName => ({
  id: roleTemplateIds[displayName],
  displayName,
  description: descriptions[displayName],
}));

export function addDirectoryRoles(
  app: AdminApp,
  { directory, log, portalOrigin, pagingKey: key }: ResourceParts,
): void {
  app.get(
    '/directoryRoles',
    {
      schema: {
        summary: 'List the roles',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(directoryRole) },
      },
    },
    request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: nameOf },
          key,
          load: loadFrom(roles, nameOf),
          represent: page => [...page],
        },
      ),
  );

  app.get(
    '/directoryRoles/:id/members',
    {
      schema: {
        summary: 'List the users who hold a role',
        tags,
        params: idParams,
        querystring: collectionQuery,
        response: { 200: collection(user) },
      },
    },
    async request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: userList.sortKey },
          key,
          load: loadFrom(
            await listUsersWithRole(directory.db, requireRole(request.params.id)),
            userList.sortKey,
          ),
          represent: rows => rows.map(representUser),
        },
      ),
  );

  app.post(
    '/directoryRoles/:id/members/$ref',
    {
      schema: {
        summary: 'Give a role to a user',
        tags,
        params: idParams,
        body: reference,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const userId = requireReferencedId(request.body);
      const role = requireRole(request.params.id);
      await assignRole(directory, userId, role);
      events.roleChanged(log, { userId, role, what: 'assigned', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.delete(
    '/directoryRoles/:id/members/:userId/$ref',
    {
      schema: {
        summary: 'Take a role away from a user',
        tags,
        params: z.strictObject({ id, userId: id }),
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { userId } = request.params;
      const role = requireRole(request.params.id);
      await removeRole(directory, userId, role);
      events.roleChanged(log, { userId, role, what: 'removed', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );
}

function nameOf({ displayName }: DirectoryRole): string {
  return displayName;
}

function requireRole(roleId: string): RoleName {
  const role = roleName.options.find(name => roleTemplateIds[name] === roleId);
  if (role === undefined) {
    throw new AdminError('Request_ResourceNotFound', `There is no role ${roleId}.`);
  }
  return role;
}
