import { z } from 'zod';
import { testHops } from './test-hops.ts';

export const applicationTestRequest = z
  .strictObject({
    path: z
      .string()
      .max(2048)
      .regex(/^\/[!-"$-~]*$/, { error: 'must be a path such as /status?full=1, percent-encoded, without #' })
      .optional()
      .meta({ description: 'Path and query that are asked for; that of the external URL where absent.' }),
    host: z
      .string()
      .max(253)
      .regex(/^[a-z0-9][a-z0-9.-]*$/, { error: 'must be a host name in lower case, without a port' })
      .optional()
      .meta({ description: 'Which host of a wildcard application is asked for.' }),
  })
  .meta({ id: 'ApplicationTestRequest' });
export type ApplicationTestRequest = z.infer<typeof applicationTestRequest>;

export const testHop = z
  .object({
    hop: z.enum(testHops),
    state: z.enum(['passed', 'warning', 'failed', 'notRun']).meta({
      description: 'notRun: the request did not come here, or there is nothing here to come to.',
    }),
    startMs: z.number().nullable().meta({ description: 'When it was come to, from the start of the test.' }),
    durationMs: z
      .number()
      .nullable()
      .meta({ description: 'How long it took; null where that is not known.' }),
    detail: z.string().meta({ description: 'What was seen, in a few words.' }),
    code: z.string().nullable().meta({ description: 'A stable name of what is wrong.' }),
    remedy: z.string().nullable().meta({ description: 'What to do about it.' }),
  })
  .meta({ id: 'ApplicationTestHop' });
export type TestHop = z.infer<typeof testHop>;

export const applicationTest = z
  .object({
    applicationId: z.string(),
    displayName: z.string(),
    url: z.string().meta({ description: 'The external address that was asked for.' }),
    requestId: z
      .string()
      .meta({ description: 'By which the logs of service, connector and backend name the request.' }),
    testedDateTime: z.string(),
    outcome: z.enum(['passed', 'failed']),
    status: z.number().nullable().meta({ description: 'HTTP status of the answer; null where none came.' }),
    redirectsTo: z.string().nullable().meta({ description: 'Where the answer leads; it is not followed.' }),
    totalMs: z.number(),
    hops: z.array(testHop),
  })
  .meta({ id: 'ApplicationTest' });
export type ApplicationTest = z.infer<typeof applicationTest>;
