import { z } from 'zod';
import { corsConfigurations } from './cors.ts';
import { externalUrl, internalUrl } from './publishing.ts';

/** Segments of a complex application: `webApplicationSegment` of Microsoft Graph, under the names that it has there. */

export const applicationSegment = z
  .object({
    id: z.string(),
    externalUrl: z.string(),
    internalUrl: z.string(),
    corsConfigurations,
  })
  .meta({ id: 'WebApplicationSegment' });
export type ApplicationSegment = z.infer<typeof applicationSegment>;

export const applicationSegmentCreate = z
  .strictObject({ externalUrl, internalUrl, corsConfigurations: corsConfigurations.default([]) })
  .meta({ id: 'WebApplicationSegmentCreate' });
export type ApplicationSegmentCreate = z.infer<typeof applicationSegmentCreate>;

/** What is left out stays as it is; a list of rules replaces the one before. */
export const applicationSegmentUpdate = z
  .strictObject({ externalUrl, internalUrl, corsConfigurations })
  .partial()
  .meta({ id: 'WebApplicationSegmentUpdate' });
export type ApplicationSegmentUpdate = z.infer<typeof applicationSegmentUpdate>;
