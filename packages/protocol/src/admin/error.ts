import { z } from 'zod';

/** What the admin API answers with any status of 400 and above. */
export const adminError = z
  .object({
    error: z.object({
      /** Stable, for programs: `Request_BadRequest`, `Request_ResourceNotFound`, `Authorization_RequestDenied` … */
      code: z.string(),
      /** For people: what is wrong and what to do. */
      message: z.string(),
      innerError: z.object({ 'request-id': z.string(), date: z.string() }),
    }),
  })
  .meta({ id: 'Error' });
export type AdminErrorBody = z.infer<typeof adminError>;
