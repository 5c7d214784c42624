import {
  instantiateRequest,
  instantiateResult,
  onPremisesTemplateId,
} from '@postern/protocol/admin/applications';
import { createApplication } from '../directory/applications.ts';
import * as events from '../telemetry/events.ts';
import { AdminError } from './admin-error.ts';
import { actorOf } from './authorize.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { representOneApplication, representServicePrincipal } from './represent.ts';
import { idParams } from './requests.ts';

export function addApplicationTemplates(app: AdminApp, parts: ResourceParts): void {
  const { directory, log } = parts;
  app.post(
    '/applicationTemplates/:id/instantiate',
    {
      schema: {
        summary: 'Create an application from the template for applications of private networks',
        description: `The only template is ${onPremisesTemplateId}.`,
        tags: ['applications'],
        params: idParams,
        body: instantiateRequest,
        response: { 201: instantiateResult },
      },
    },
    async (request, reply) => {
      if (request.params.id !== onPremisesTemplateId) {
        throw new AdminError(
          'Request_ResourceNotFound',
          `There is no application template ${request.params.id}; the only one is ${onPremisesTemplateId}.`,
        );
      }
      const row = await createApplication(directory, request.body);
      events.applicationChanged(log, { applicationId: row.id, what: 'created', actor: actorOf(request) });
      return reply.code(201).send({
        application: await representOneApplication(row, parts),
        servicePrincipal: representServicePrincipal(row),
      });
    },
  );
}
