import {
  type AutomaticCertificateDescription,
  automaticCertificate,
  type PublicCertificate,
  publicCertificate,
  publicCertificateUpload,
} from '@postern/protocol/admin/certificates';
import { collection, collectionQuery } from '@postern/protocol/admin/collection';
import { daysLeft } from '@postern/protocol/expiry';
import { z } from 'zod';
import type { AutomaticCertificate } from '../acme/automatic-certificates.ts';
import { servedNames } from '../directory/verified-domains.ts';
import { certificateChooser, expiryWarningOf, publishedHosts } from '../domains/certificate-for-host.ts';
import {
  deleteCertificate,
  namesOf,
  requireCertificate,
  uploadCertificate,
} from '../domains/certificates.ts';
import { listCustomDomains } from '../store/custom-domains.ts';
import { listPublicCertificates, type PublicCertificateRow } from '../store/public-certificates.ts';
import { AdminError } from './admin-error.ts';
import { distinguishedNames, logCertificateChange } from './application-certificate.ts';
import { actorOf } from './authorize.ts';
import { answerPage, loadFrom } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { profilePath } from './publishing-profile.ts';
import { dateTime, dateTimeOrNull, idParams, listUrl, nothing } from './requests.ts';

const tags = ['certificates'];
const path = `${profilePath}/certificates` as const;
const automaticPath = `${profilePath}/automaticCertificates` as const;

export function addCertificates(app: AdminApp, parts: ResourceParts): void {
  const { directory, log, portalOrigin, pagingKey: key, secrets, automaticCertificates } = parts;
  const certificates = { directory, secrets };

  app.get(
    path,
    {
      schema: {
        summary: 'List certificates for public names',
        description:
          'Those that were uploaded, and those that the service got by itself. Those of the configuration are not among them.',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(publicCertificate) },
      },
    },
    async request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: creationOf },
          key,
          load: loadFrom(await listPublicCertificates(directory.db), creationOf),
          represent: rows => representAll(rows, parts),
        },
      ),
  );

  app.post(
    path,
    {
      schema: {
        summary: 'Upload a certificate with its private key',
        description:
          'It serves every application under its names at once, in place of certificates whose names it has all.',
        tags,
        body: publicCertificateUpload,
        response: { 201: publicCertificate },
      },
    },
    async (request, reply) => {
      const row = await uploadCertificate(certificates, request.body);
      logCertificateChange(log, row, 'uploaded', actorOf(request));
      const [represented] = await representAll([row], parts);
      return reply.code(201).send(represented!);
    },
  );

  app.get(
    `${path}/:id`,
    {
      schema: {
        summary: 'Show a certificate',
        tags,
        params: idParams,
        response: { 200: publicCertificate },
      },
    },
    async request => {
      const row = await requireCertificate(directory.db, request.params.id);
      const [represented] = await representAll([row], parts);
      return represented!;
    },
  );

  app.delete(
    `${path}/:id`,
    {
      schema: {
        summary: 'Delete a certificate with its private key',
        tags,
        params: idParams,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const row = await deleteCertificate(certificates, request.params.id);
      logCertificateChange(log, row, 'deleted', actorOf(request));
      return reply.code(204).send();
    },
  );

  app.get(
    automaticPath,
    {
      schema: {
        summary: 'List the certificates that the service gets by itself',
        description: 'What is wanted, what there is, what was tried last and why it failed.',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(automaticCertificate) },
      },
    },
    async request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: idOf },
          key,
          load: loadFrom(await automaticCertificates.list(), idOf),
          represent: rows => rows.map(representAutomatic),
        },
      ),
  );

  app.post(
    `${automaticPath}/:id/renew`,
    {
      schema: {
        summary: 'Try now to get a certificate',
        description:
          'Without waiting for its time. The answer comes before it is done; the list says how it went.',
        tags,
        params: z.strictObject({ id: z.string().min(1).max(600) }),
        response: { 202: nothing },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      if (!(await automaticCertificates.renewNow(id))) {
        throw new AdminError(
          'Request_ResourceNotFound',
          `No certificate for ${id} is got automatically. The list says for which names one is.`,
        );
      }
      return reply.code(202).send();
    },
  );
}

function idOf({ id }: AutomaticCertificate): string {
  return id;
}

function creationOf({ createdAt }: PublicCertificateRow): string {
  return dateTime(createdAt);
}

async function representAll(
  rows: readonly PublicCertificateRow[],
  { directory }: ResourceParts,
): Promise<PublicCertificate[]> {
  const { db, address } = directory;
  const now = directory.now();
  const domains = await listCustomDomains(db);
  const choose = certificateChooser(await listPublicCertificates(db), domains, address.domain, now);
  const hosts = await publishedHosts(db);
  return rows.map(row => {
    return {
      id: row.id,
      source: row.source as PublicCertificate['source'],
      names: namesOf(row),
      servedNames: servedNames(row, domains, address.domain),
      hosts: hosts.filter(host => choose(host)?.id === row.id),
      ...distinguishedNames(row),
      thumbprint: row.thumbprint,
      startDateTime: dateTime(row.notBefore),
      expirationDateTime: dateTime(row.notAfter),
      expiresInDays: daysLeft(row, now),
      expiryWarning: expiryWarningOf(row, now),
      renewDateTime: dateTimeOrNull(row.renewAt),
      createdDateTime: dateTime(row.createdAt),
    };
  });
}

function representAutomatic(one: AutomaticCertificate): AutomaticCertificateDescription {
  return {
    id: one.id,
    names: [...one.names],
    status: one.status,
    certificateId: one.certificate?.id ?? null,
    expirationDateTime: dateTimeOrNull(one.certificate?.notAfter ?? null),
    renewDateTime: dateTimeOrNull(one.certificate?.renewAt ?? null),
    failures: one.failures,
    lastAttemptDateTime: dateTimeOrNull(one.lastAttemptAt),
    nextAttemptDateTime: dateTimeOrNull(one.nextAttemptAt),
    error: one.error,
  };
}
