import {
  addedPassword,
  addPasswordRequest,
  type PasswordCredential,
  passwordCredential,
  removePasswordRequest,
} from '@postern/protocol/admin/application-credentials';
import { collection } from '@postern/protocol/admin/collection';
import {
  addApplicationCredential,
  removeApplicationCredential,
} from '../directory/application-credentials.ts';
import { requireApplication } from '../directory/applications.ts';
import {
  type ApplicationCredentialRow,
  listApplicationCredentials,
} from '../store/application-credentials.ts';
import * as events from '../telemetry/events.ts';
import { actorOf } from './authorize.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { dateTime, dateTimeOrNull, idParams, nothing } from './requests.ts';

const tags = ['applications'];

export function addApplicationCredentials(app: AdminApp, { directory, log }: ResourceParts): void {
  app.get(
    '/applications/:id/passwordCredentials',
    {
      schema: {
        summary: 'List the credentials of programs that use an application',
        description: 'Those that have expired included. No secret can be shown again.',
        tags,
        params: idParams,
        response: { 200: collection(passwordCredential) },
      },
    },
    async request => {
      await requireApplication(directory.db, request.params.id);
      const rows = await listApplicationCredentials(directory.db, request.params.id);
      return { value: rows.filter(row => row.certificateSha256 === null).map(represent) };
    },
  );

  app.post(
    '/applications/:id/addPassword',
    {
      schema: {
        summary: 'Make a credential with which a program uses an application',
        description:
          'The program sends it as HTTP Basic, or gets access tokens with it. It speaks for the program alone, at this application alone.',
        tags,
        params: idParams,
        body: addPasswordRequest,
        response: { 200: addedPassword },
      },
    },
    async request => {
      const { id: applicationId } = request.params;
      const { endDateTime, ...rest } = request.body.passwordCredential;
      const { row, secret } = await addApplicationCredential(directory, applicationId, {
        ...rest,
        expiresAt: endDateTime === undefined ? undefined : Date.parse(endDateTime),
      });
      const { id: keyId, clientId } = row;
      const actor = actorOf(request);
      events.applicationCredentialChanged(log, { applicationId, keyId, clientId, what: 'added', actor });
      return { ...represent(row), secretText: secret };
    },
  );

  app.post(
    '/applications/:id/removePassword',
    {
      schema: {
        summary: 'Remove a credential',
        description: 'Requests in flight that it let in are ended, and so are access tokens got with it.',
        tags,
        params: idParams,
        body: removePasswordRequest,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: applicationId } = request.params;
      const { keyId } = request.body;
      await removeApplicationCredential(directory, applicationId, keyId, 'secret');
      const actor = actorOf(request);
      events.applicationCredentialChanged(log, { applicationId, keyId, what: 'removed', actor });
      return reply.code(204).send();
    },
  );
}

function represent(row: ApplicationCredentialRow): PasswordCredential {
  return {
    keyId: row.id,
    clientId: row.clientId,
    displayName: row.displayName,
    hint: row.hint,
    startDateTime: dateTime(row.createdAt),
    endDateTime: dateTime(row.expiresAt),
    lastUsedDateTime: dateTimeOrNull(row.lastUsedAt),
  };
}
