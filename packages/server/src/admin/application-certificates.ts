import { X509Certificate } from 'node:crypto';
import {
  addKeyRequest,
  type KeyCredential,
  keyCredential,
  removeKeyRequest,
} from '@postern/protocol/admin/application-credentials';
import { collection } from '@postern/protocol/admin/collection';
import { splitCertificates } from '@postern/protocol/x509/certificate';
import {
  addCertificateCredential,
  type CertificateCredentialRow,
  removeApplicationCredential,
} from '../directory/application-credentials.ts';
import { requireApplication } from '../directory/applications.ts';
import { invalid } from '../directory/directory-error.ts';
import { listApplicationCredentials } from '../store/application-credentials.ts';
import * as events from '../telemetry/events.ts';
import { actorOf } from './authorize.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { dateTime, dateTimeOrNull, idParams, nothing } from './requests.ts';

const tags = ['applications'];

/** Certificates that are credentials of programs. */
export function addCertificateCredentials(app: AdminApp, { directory, log }: ResourceParts): void {
  app.get(
    '/applications/:id/keyCredentials',
    {
      schema: {
        summary: 'List the certificates of programs that use an application',
        description: 'Those that have expired included.',
        tags,
        params: idParams,
        response: { 200: collection(keyCredential) },
      },
    },
    async request => {
      await requireApplication(directory.db, request.params.id);
      const value: KeyCredential[] = [];
      for (const row of await listApplicationCredentials(directory.db, request.params.id)) {
        const { certificateSha256 } = row;
        if (certificateSha256 !== null) value.push(represent({ ...row, certificateSha256 }));
      }
      return { value };
    },
  );

  app.post(
    '/applications/:id/addKey',
    {
      schema: {
        summary: 'Let in a program by its client certificate',
        description:
          'The program presents it in the TLS handshake. This very certificate is meant, whoever has signed it, until it expires. It speaks for the program alone, at this application alone.',
        tags,
        params: idParams,
        body: addKeyRequest,
        response: { 200: keyCredential },
      },
    },
    async request => {
      const { id: applicationId } = request.params;
      const { key, displayName, clientId: given } = request.body.keyCredential;
      const row = await addCertificateCredential(directory, applicationId, readCertificate(key), {
        displayName,
        clientId: given,
      });
      const { id: keyId, clientId } = row;
      const actor = actorOf(request);
      events.applicationCredentialChanged(log, { applicationId, keyId, clientId, what: 'added', actor });
      return represent(row);
    },
  );

  app.post(
    '/applications/:id/removeKey',
    {
      schema: {
        summary: 'Remove a certificate',
        description: 'Requests in flight that it let in are ended.',
        tags,
        params: idParams,
        body: removeKeyRequest,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const { id: applicationId } = request.params;
      const { keyId } = request.body;
      await removeApplicationCredential(directory, applicationId, keyId, 'certificate');
      const actor = actorOf(request);
      events.applicationCredentialChanged(log, { applicationId, keyId, what: 'removed', actor });
      return reply.code(204).send();
    },
  );
}

/** @throws DirectoryError `invalid` of `key`. */
function readCertificate(pem: string): X509Certificate {
  if (pem.includes('PRIVATE KEY')) {
    throw invalid(
      'key',
      'This holds a private key, which nobody but the program should have. Give the certificate alone.',
    );
  }
  const [certificate, ...others] = splitCertificates(pem);
  if (certificate === undefined) {
    throw invalid('key', 'This is no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----.');
  }
  if (others.length > 0) {
    throw invalid(
      'key',
      `These are ${others.length + 1} certificates. Give the one that the program presents, without those that have signed it.`,
    );
  }
  try {
    return new X509Certificate(certificate);
  } catch {
    throw invalid('key', 'This certificate cannot be read. Export it again as PEM.');
  }
}

function represent(row: CertificateCredentialRow): KeyCredential {
  return {
    keyId: row.id,
    clientId: row.clientId,
    displayName: row.displayName,
    type: 'AsymmetricX509Cert',
    usage: 'Verify',
    sha256: row.certificateSha256,
    startDateTime: dateTime(row.createdAt),
    endDateTime: dateTime(row.expiresAt),
    lastUsedDateTime: dateTimeOrNull(row.lastUsedAt),
  };
}
