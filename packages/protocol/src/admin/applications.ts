import { z } from 'zod';
import { onPremisesPublishing, onPremisesPublishingUpdate } from './publishing.ts';
import { servicePrincipal } from './service-principals.ts';

/** Id of the template from which an application that stands in a private network is made; Microsoft's, kept for scripts. */
export const onPremisesTemplateId = '8adf8e6e-67b2-4cf2-a259-e3dc5476c621';

export const displayName = z
  .string()
  .trim()
  .min(1)
  .max(256)
  // Names are printed in terminals and written into logs, one event a line.
  .regex(/^[^\p{Cc}\u2028\u2029]*$/u, { error: 'must not contain control characters' });

const web = z.strictObject({
  homePageUrl: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .nullable()
    .meta({
      description: 'Where the tile in My Apps leads; the external URL where null.',
    }),
});

export const applicationStatus = z
  .object({
    state: z.enum(['reachable', 'unreachable', 'unknown', 'maintenance']).meta({
      description:
        'What the last request to it met, be it a person’s or a test’s. unknown: none in the last ten minutes.',
    }),
    hop: z.string().nullable().meta({ description: 'Where the way is broken; null where it is not.' }),
    code: z.string().nullable().meta({ description: 'What is wrong there, by a stable name.' }),
    sinceDateTime: z
      .string()
      .nullable()
      .meta({ description: 'Since when it has been so, as far as was seen.' }),
    observedDateTime: z.string().nullable().meta({ description: 'When it was seen last; null: never.' }),
  })
  .meta({ id: 'ApplicationStatus' });
export type ApplicationStatus = z.infer<typeof applicationStatus>;

export const application = z
  .object({
    id: z.string(),
    appId: z.string(),
    displayName: z.string(),
    createdDateTime: z.string(),
    connectorGroupId: z.string().meta({ description: 'The connector group that carries it.' }),
    web: z.object({ homePageUrl: z.string().nullable() }),
    onPremisesPublishing: onPremisesPublishing.nullable(),
    status: applicationStatus,
  })
  .meta({ id: 'Application' });
export type Application = z.infer<typeof application>;

export const applicationCreate = z
  .strictObject({ displayName, web: web.optional() })
  .meta({ id: 'ApplicationCreate' });
export type ApplicationCreate = z.infer<typeof applicationCreate>;

export const applicationUpdate = z
  .strictObject({
    displayName: displayName.optional(),
    web: web.optional(),
    onPremisesPublishing: onPremisesPublishingUpdate.optional(),
  })
  .refine(body => body.onPremisesPublishing === undefined || Object.keys(body).length === 1, {
    error: 'onPremisesPublishing cannot be combined with other properties in one request; send two requests',
  })
  .meta({ id: 'ApplicationUpdate' });
export type ApplicationUpdate = z.infer<typeof applicationUpdate>;

export const instantiateRequest = z.strictObject({ displayName }).meta({ id: 'InstantiateRequest' });
export const instantiateResult = z
  .object({ application, servicePrincipal })
  .meta({ id: 'InstantiateResult' });
export type InstantiateResult = z.infer<typeof instantiateResult>;
