import {
  instantiateRequest,
  instantiateResult,
  onPremisesTemplateId,
} from '@postern/protocol/admin/applications';
import { createApplication } from '../directory/applications.ts';
import { AdminError } from './admin-error.ts';
import { representApplication } from './applications.ts';
import type { AdminApp, ResourceParts } from './parts.ts';
import { idParams } from './requests.ts';
import { representServicePrincipal } from './service-principals.ts';

export function addApplicationTemplates(app: AdminApp, { directory }: ResourceParts): void {
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
      return reply.code(201).send({
        application: representApplication(row, directory.address),
        servicePrincipal: representServicePrincipal(row),
      });
    },
  );
}
