import { collection, collectionQuery } from '@postern/protocol/admin/collection';
import {
  type Domain,
  domain,
  domainCheck,
  domainCreate,
  domainDnsRecord,
  domainUpdate,
} from '@postern/protocol/admin/domains';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { checkDomain, serviceRecords, verificationRecords } from '../domains/check-domain.ts';
import {
  createCustomDomain,
  deleteCustomDomain,
  requireCustomDomain,
  updateCustomDomain,
  verifyCustomDomain,
} from '../domains/custom-domains.ts';
import { type CustomDomainRow, listCustomDomains } from '../store/custom-domains.ts';
import * as events from '../telemetry/events.ts';
import { actorOf } from './authorize.ts';
import { answerPage, loadFrom } from './pages.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { dateTime, dateTimeOrNull, listUrl, nothing } from './requests.ts';

const tags = ['domains'];
/** A domain's id is its name. */
const params = z.strictObject({ id: z.string().min(1).max(253) });

export function addDomains(app: AdminApp, parts: ResourceParts): void {
  const { directory, log, portalOrigin, pagingKey: key, domains, automaticCertificates } = parts;
  const changed = (request: FastifyRequest, name: string, what: string) => {
    events.domainChanged(log, { domain: name, what, actor: actorOf(request) });
    // What certificates are wanted may have changed with it.
    automaticCertificates.soon();
  };

  app.get(
    '/domains',
    {
      schema: {
        summary: 'List custom domains',
        tags,
        querystring: collectionQuery,
        response: { 200: collection(domain) },
      },
    },
    async request =>
      answerPage(
        { url: listUrl(request, portalOrigin), query: request.query },
        {
          kind: { filterable: {}, sortKey: nameOf },
          key,
          load: loadFrom(
            (await listCustomDomains(directory.db)).map(row => ({ ...row, id: row.name })),
            nameOf,
          ),
          represent: rows => rows.map(represent),
        },
      ),
  );

  app.post(
    '/domains',
    {
      schema: {
        summary: 'Add a custom domain',
        description: 'Applications can be published under it once it has been verified.',
        tags,
        body: domainCreate,
        response: { 201: domain },
      },
    },
    async (request, reply) => {
      const { id, isAutomaticCertificateEnabled } = request.body;
      const row = await createCustomDomain(directory, id, isAutomaticCertificateEnabled);
      changed(request, row.name, 'created');
      return reply.code(201).send(represent(row));
    },
  );

  app.get(
    '/domains/:id',
    { schema: { summary: 'Show a custom domain', tags, params, response: { 200: domain } } },
    async request => represent(await requireCustomDomain(directory.db, request.params.id)),
  );

  app.patch(
    '/domains/:id',
    {
      schema: {
        summary: 'Change a custom domain',
        tags,
        params,
        body: domainUpdate,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      const row = await updateCustomDomain(
        directory,
        request.params.id,
        request.body.isAutomaticCertificateEnabled,
      );
      changed(request, row.name, 'updated');
      return reply.code(204).send();
    },
  );

  app.delete(
    '/domains/:id',
    {
      schema: {
        summary: 'Remove a custom domain under which nothing is published',
        description: 'Its DNS records are to be removed, too: a name that leads nowhere invites others.',
        tags,
        params,
        response: { 204: nothing },
      },
    },
    async (request, reply) => {
      await deleteCustomDomain(directory, request.params.id);
      changed(request, request.params.id.toLowerCase(), 'deleted');
      return reply.code(204).send();
    },
  );

  app.post(
    '/domains/:id/verify',
    {
      schema: {
        summary: 'Prove by its TXT record that a custom domain is yours',
        tags,
        params,
        response: { 200: domain },
      },
    },
    async request => {
      const row = await verifyCustomDomain(directory, domains.nameServers, request.params.id);
      changed(request, row.name, 'verified');
      return represent(row);
    },
  );

  app.get(
    '/domains/:id/verificationDnsRecords',
    {
      schema: {
        summary: 'List the DNS records that prove a custom domain',
        tags,
        params,
        response: { 200: collection(domainDnsRecord) },
      },
    },
    async request => ({
      value: verificationRecords(await requireCustomDomain(directory.db, request.params.id)),
    }),
  );

  app.get(
    '/domains/:id/serviceConfigurationRecords',
    {
      schema: {
        summary: 'List the DNS records that lead people to the service',
        description: 'One for each published host; where nothing is published, for the domain itself.',
        tags,
        params,
        response: { 200: collection(domainDnsRecord) },
      },
    },
    async request => ({
      value: await serviceRecords(domains, await requireCustomDomain(directory.db, request.params.id)),
    }),
  );

  app.post(
    '/domains/:id/check',
    {
      schema: {
        summary: 'Check whether the hosts of a custom domain lead here and have a certificate',
        tags,
        params,
        response: { 200: domainCheck },
      },
    },
    async request => ({ value: await checkDomain(domains, request.params.id) }),
  );
}

/** A list goes by ids. */
type DomainRow = CustomDomainRow & { readonly id: string };

function nameOf({ name }: DomainRow): string {
  return name;
}

function represent(row: CustomDomainRow): Domain {
  return {
    id: row.name,
    isVerified: row.verifiedAt !== null,
    verificationMethod: row.verifiedBy as Domain['verificationMethod'],
    verifiedDateTime: dateTimeOrNull(row.verifiedAt),
    isAutomaticCertificateEnabled: row.automaticCertificates === 1,
    createdDateTime: dateTime(row.createdAt),
  };
}
