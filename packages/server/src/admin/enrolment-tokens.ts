import { collection, collectionQuery } from '@postern/protocol/admin/collection';
import {
  type EnrolmentTokenDescription,
  enrolmentToken,
  enrolmentTokenCreate,
  enrolmentTokenCreated,
} from '@postern/protocol/admin/enrolment-tokens';
import { formatEnrolmentToken } from '@postern/protocol/enrolment-token';
import {
  createEnrolmentToken,
  enrolmentTokenStatus,
  revokeEnrolmentToken,
} from '../directory/enrolment-tokens.ts';
import { type EnrolmentTokenRow, listEnrolmentTokens } from '../store/enrolment-tokens.ts';
import * as events from '../telemetry/events.ts';
import { actorOf, callerOf } from './authorize.ts';
import { answerPage, loadFrom } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { profilePath } from './publishing-profile.ts';
import { dateTime, dateTimeOrNull, idParams, listUrl, nothing } from './requests.ts';

const tags = ['enrolmentTokens'];
const path = `${profilePath}/enrolmentTokens` as const;

export function addEnrolmentTokens(app: AdminApp, parts: ResourceParts): void {
  const { directory, log, portalOrigin, pagingKey: key } = parts;

  app.get(
    path,
    {
      schema: {
        summary: 'List enrolment tokens',
        description: 'Those that no longer work are listed for another 30 days. None can be shown again.',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(enrolmentToken) },
      },
    },
    async request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: creationOf },
          key,
          load: loadFrom(await listEnrolmentTokens(directory.db), creationOf),
          represent: rows => rows.map(row => represent(row, directory.now())),
        },
      ),
  );

  app.post(
    path,
    {
      schema: {
        summary: 'Create an enrolment token',
        description:
          'With it, machines become connectors of one connector group without an administrator there.',
        tags,
        body: enrolmentTokenCreate,
        response: { 201: enrolmentTokenCreated },
      },
    },
    async (request, reply) => {
      const { displayName, connectorGroupId, maxUses, lifetimeSeconds } = request.body;
      const { row, secret } = await createEnrolmentToken(directory, {
        displayName,
        connectorGroupId,
        maxUses,
        lifetimeMs: lifetimeSeconds * 1000,
        createdBy: callerOf(request).userId,
      });
      events.enrolmentTokenChanged(log, {
        enrolmentTokenId: row.id,
        connectorGroupId: row.connectorGroupId,
        what: 'created',
        actor: actorOf(request),
      });
      const token = formatEnrolmentToken({
        ...(await parts.firstContact()),
        connectorGroupId: row.connectorGroupId,
        secret,
      });
      return reply.code(201).send({ ...represent(row, directory.now()), token, command: commandFor(token) });
    },
  );

  app.delete(
    `${path}/:id`,
    {
      schema: {
        summary: 'Revoke an enrolment token',
        description: 'Nobody can register with it any more; connectors that have registered stay.',
        tags,
        params: idParams,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      await revokeEnrolmentToken(directory, request.params.id);
      events.enrolmentTokenChanged(log, {
        enrolmentTokenId: request.params.id,
        what: 'revoked',
        actor: actorOf(request),
      });
      return reply.code(204).send();
    },
  );
}

/** The token comes on standard input: in an argument, every user of the machine could read it. */
function commandFor(token: string): string {
  return `sudo postern connector install --token-file - <<'END'\n${token}\nEND`;
}

function creationOf({ createdAt }: EnrolmentTokenRow): string {
  return dateTime(createdAt);
}

function represent(row: EnrolmentTokenRow, now: number): EnrolmentTokenDescription {
  return {
    id: row.id,
    displayName: row.displayName,
    connectorGroupId: row.connectorGroupId,
    status: enrolmentTokenStatus(row, now),
    maxUses: row.maxUses,
    uses: row.uses,
    createdDateTime: dateTime(row.createdAt),
    createdByUserId: row.createdBy,
    expirationDateTime: dateTime(row.expiresAt),
    lastUsedDateTime: dateTimeOrNull(row.lastUsedAt),
    revokedDateTime: dateTimeOrNull(row.revokedAt),
  };
}
