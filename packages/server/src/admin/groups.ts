import { collection, collectionQuery, id, reference } from '@postern/protocol/admin/collection';
import { group, groupCreate, groupUpdate, user } from '@postern/protocol/admin/directory';
import { z } from 'zod';
import {
  addMember,
  createGroup,
  deleteGroup,
  removeMember,
  requireGroup,
  updateGroup,
} from '../directory/groups.ts';
import { type GroupProperty, type GroupRow, listGroups, listMembers } from '../store/groups.ts';
import * as events from '../telemetry/events.ts';
import { actorOf } from './authorize.ts';
import { entityTag, expectedVersion } from './entity-tag.ts';
import { answerPage, type ListKind } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { representGroup, representUser } from './represent.ts';
import { idParams, listUrl, nothing, requireReferencedId } from './requests.ts';
import { userList } from './users.ts';

const tags = ['groups'];

const groupList: ListKind<GroupProperty, GroupRow> = {
  filterable: { id: 'id', displayName: 'displayName', description: 'description' },
  sortKey: row => row.displayName,
};

export function addGroups(
  app: AdminApp,
  { directory, log, portalOrigin, pagingKey: key }: ResourceParts,
): void {
  app.get(
    '/groups',
    {
      schema: {
        summary: 'List groups',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(group) },
      },
    },
    request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: groupList,
          key,
          load: options => listGroups(directory.db, options),
          represent: rows => rows.map(representGroup),
        },
      ),
  );

  app.post(
    '/groups',
    { schema: { summary: 'Create a group', tags, body: groupCreate, response: { 201: group } } },
    async (request, reply) => {
      const row = await createGroup(directory, request.body);
      events.groupChanged(log, { groupId: row.id, what: 'created', actor: actorOf(request) });
      return reply.code(201).header('etag', entityTag(row.version)).send(representGroup(row));
    },
  );

  app.get(
    '/groups/:id',
    { schema: { summary: 'Show a group', tags, params: idParams, response: { 200: group } } },
    async (request, reply) => {
      const row = await requireGroup(directory.db, request.params.id);
      reply.header('etag', entityTag(row.version));
      return representGroup(row);
    },
  );

  app.patch(
    '/groups/:id',
    {
      schema: {
        summary: 'Change a group',
        tags,
        params: idParams,
        body: groupUpdate,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: groupId } = request.params;
      await updateGroup(directory, groupId, request.body, expectedVersion(request.headers['if-match']));
      events.groupChanged(log, { groupId, what: 'updated', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.delete(
    '/groups/:id',
    {
      schema: {
        summary: 'Delete a group',
        description: 'Its members lose what was assigned to it.',
        tags,
        params: idParams,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: groupId } = request.params;
      await deleteGroup(directory, groupId, expectedVersion(request.headers['if-match']));
      events.groupChanged(log, { groupId, what: 'deleted', actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.get(
    '/groups/:id/members',
    {
      schema: {
        summary: 'List the members of a group',
        tags,
        params: idParams,
        querystring: collectionQuery,
        response: { 200: collection(user) },
      },
    },
    async request => {
      await requireGroup(directory.db, request.params.id);
      return answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: userList.sortKey },
          key,
          load: options => listMembers(directory.db, request.params.id, options),
          represent: rows => rows.map(representUser),
        },
      );
    },
  );

  app.post(
    '/groups/:id/members/$ref',
    {
      schema: {
        summary: 'Add a user to a group',
        tags,
        params: idParams,
        body: reference,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: groupId } = request.params;
      const userId = requireReferencedId(request.body);
      await addMember(directory, groupId, userId);
      events.groupChanged(log, { groupId, what: 'member_added', userId, actor: actorOf(request) });
      return reply.code(204).send();
    },
  );

  app.delete(
    '/groups/:id/members/:userId/$ref',
    {
      schema: {
        summary: 'Take a user out of a group',
        tags,
        params: z.strictObject({ id, userId: id }),
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: groupId, userId } = request.params;
      await removeMember(directory, groupId, userId);
      events.groupChanged(log, { groupId, what: 'member_removed', userId, actor: actorOf(request) });
      return reply.code(204).send();
    },
  );
}
