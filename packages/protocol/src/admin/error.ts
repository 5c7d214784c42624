import { z } from 'zod';

/** What the admin API answers with any status of 400 and above. */
export const adminError = z
  .object({
    error: z.object({
      /** Stable, for programs: `Request_BadRequest`, `Request_ResourceNotFound`, `Authorization_RequestDenied` … */
      code: z.string(),
      /** For people: what is wrong and what to do. */
      message: z.string(),
      /** What is wrong with which value of the body, where that can be told; for forms. */
      details: z
        .array(
          z.object({
            code: z.string(),
            target: z
              .string()
              .meta({ description: 'The property, such as onPremisesPublishing.internalUrl.' }),
            message: z.string(),
          }),
        )
        .optional(),
      innerError: z.object({ 'request-id': z.string(), date: z.string() }),
    }),
  })
  .meta({ id: 'Error' });
export type AdminErrorBody = z.infer<typeof adminError>;
