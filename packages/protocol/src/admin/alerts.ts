import { z } from 'zod';

/** What became of a test alert, channel by channel; empty where none is configured. */
export const alertTestResult = z
  .object({
    value: z.array(
      z.object({
        channel: z.string().meta({ description: 'mail, or webhook and the origin of its address.' }),
        status: z.enum(['sent', 'failed']),
        detail: z.string().meta({ description: 'What was done, and what the other side said.' }),
        remedy: z.string().nullable().meta({ description: 'What to do about a failure.' }),
      }),
    ),
  })
  .meta({ id: 'AlertTestResult' });
export type AlertTestResult = z.infer<typeof alertTestResult>;
