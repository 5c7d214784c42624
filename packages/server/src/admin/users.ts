import { collection, collectionQuery } from '@postern/protocol/admin/collection';
import {
  type DirectoryObject,
  directoryObject,
  invitation,
  roleTemplateIds,
  user,
  userCreate,
  userUpdate,
} from '@postern/protocol/admin/directory';
import { endSignIns } from '../directory/end-sign-ins.ts';
import { rolesOf } from '../directory/roles.ts';
import { createUser, deleteUser, requireUser, updateUser } from '../directory/users.ts';
import { listGroupsOfUser } from '../store/groups.ts';
import { listUsers, type UserProperty, type UserRow } from '../store/users.ts';
import * as events from '../telemetry/events.ts';
import { actorOf } from './authorize.ts';
import { entityTag, expectedVersion } from './entity-tag.ts';
import { answerPage, type ListKind, loadFrom } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { representUser } from './represent.ts';
import { dateTime, idParams, listUrl, nothing } from './requests.ts';

const tags = ['users'];

/** How users are listed. */
export const userList: ListKind<UserProperty, UserRow> = {
  filterable: { id: 'id', userPrincipalName: 'userPrincipalName', displayName: 'displayName', mail: 'mail' },
  sortKey: row => row.signInName,
};

export function addUsers(app: AdminApp, parts: ResourceParts): void {
  const { directory, log, portalOrigin, pagingKey: key } = parts;

  app.get(
    '/users',
    {
      schema: {
        summary: 'List users',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(user) },
      },
    },
    request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: userList,
          key,
          load: options => listUsers(directory.db, options),
          represent: rows => rows.map(representUser),
        },
      ),
  );

  app.post(
    '/users',
    { schema: { summary: 'Create a user', tags, body: userCreate, response: { 201: user } } },
    async (request, reply) => {
      const row = await createUser(directory, request.body);
      events.userChanged(log, { userId: row.id, what: 'created', actor: actorOf(request) });
      return reply.code(201).header('etag', entityTag(row.version)).send(representUser(row));
    },
  );

  app.get(
    '/users/:id',
    { schema: { summary: 'Show a user', tags, params: idParams, response: { 200: user } } },
    async (request, reply) => {
      const row = await requireUser(directory.db, request.params.id);
      reply.header('etag', entityTag(row.version));
      return representUser(row);
    },
  );

  app.patch(
    '/users/:id',
    {
      schema: {
        summary: 'Change a user',
        description: 'Setting accountEnabled to false signs the person out everywhere.',
        tags,
        params: idParams,
        body: userUpdate,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: userId } = request.params;
      await updateUser(directory, userId, request.body, expectedVersion(request.headers['if-match']));
      const isDisabled = request.body.accountEnabled === false;
      events.userChanged(log, {
        userId,
        what: isDisabled ? 'disabled' : 'updated',
        actor: actorOf(request),
      });
      if (isDisabled) events.sessionEnded(log, { reason: 'user_disabled', userId, requestId: request.id });
      return reply.code(204).send();
    },
  );

  app.delete(
    '/users/:id',
    { schema: { summary: 'Delete a user', tags, params: idParams, response: { 204: nothing } } },
    async (request, reply) => {
      const { id: userId } = request.params;
      await deleteUser(directory, userId, expectedVersion(request.headers['if-match']));
      events.userChanged(log, { userId, what: 'deleted', actor: actorOf(request) });
      events.sessionEnded(log, { reason: 'user_deleted', userId, requestId: request.id });
      return reply.code(204).send();
    },
  );

  app.post(
    '/users/:id/invite',
    {
      schema: {
        summary: 'Make a single-use link with which the person sets a password',
        tags,
        params: idParams,
        response: { 201: invitation },
      },
    },
    async (request, reply) => {
      const { id: userId } = request.params;
      await requireUser(directory.db, userId);
      const { url, expiresAt } = await parts.createInvitation(userId);
      events.userChanged(log, { userId, what: 'invited', actor: actorOf(request) });
      return reply
        .code(201)
        .header('cache-control', 'no-store')
        .send({ inviteRedeemUrl: url, expirationDateTime: dateTime(expiresAt) });
    },
  );

  app.post(
    '/users/:id/revokeSignInSessions',
    {
      schema: {
        summary: 'Sign a person out everywhere',
        tags,
        params: idParams,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: userId } = request.params;
      await endSignIns(directory, userId);
      events.sessionEnded(log, { reason: 'administrator', userId, requestId: request.id });
      return reply.code(204).send();
    },
  );

  app.get(
    '/users/:id/memberOf',
    {
      schema: {
        summary: 'List the groups and roles of a user',
        tags,
        params: idParams,
        querystring: collectionQuery,
        response: { 200: collection(directoryObject) },
      },
    },
    async request => {
      const { id } = request.params;
      await requireUser(directory.db, id);
      return answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: nameOf },
          key,
          load: loadFrom(await membershipsOf(parts, id), nameOf),
          represent: objects => [...objects],
        },
      );
    },
  );
}

async function membershipsOf({ directory }: ResourceParts, userId: string): Promise<DirectoryObject[]> {
  const groups = await listGroupsOfUser(directory.db, userId);
  const roles = await rolesOf(directory.db, userId);
  return [
    ...groups.map(({ id, displayName }) => ({
      '@odata.type': '#microsoft.graph.group' as const,
      id,
      displayName,
    })),
    ...roles.map(role => ({
      '@odata.type': '#microsoft.graph.directoryRole' as const,
      id: roleTemplateIds[role],
      displayName: role,
    })),
  ];
}

function nameOf({ displayName }: DirectoryObject): string {
  return displayName;
}
