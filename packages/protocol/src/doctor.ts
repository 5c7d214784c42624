import { z } from 'zod';

/** The five places where a connector can fail, in the order in which they are looked at: each needs those before it. */
export const checkGroups = ['connectivity', 'trust', 'administrator', 'machine', 'backend'] as const;
export type CheckGroup = (typeof checkGroups)[number];

/** Exit code of the doctor: that of the first group in which a check failed; 0 where none did. */
export const groupExitCodes: Readonly<Record<CheckGroup, number>> = {
  connectivity: 10,
  trust: 20,
  administrator: 30,
  machine: 40,
  backend: 50,
};

const sentence = z.string().max(4_096);

export const checkResult = z
  .object({
    id: z.string().max(64).meta({ description: 'Stable name of the check.' }),
    group: z.enum(checkGroups),
    title: z.string().max(200),
    status: z
      .enum(['passed', 'warning', 'failed', 'not_run'])
      .meta({ description: 'not_run: what the check needs was missing or had failed; it says nothing.' }),
    tried: sentence,
    seen: sentence,
    cause: sentence.meta({ description: 'Why it failed, or was not run. Empty where it passed.' }),
    remedy: sentence.meta({ description: 'What to do. Empty where it passed.' }),
    command: sentence.meta({
      description: 'A command that repeats the check by hand. Empty where there is none.',
    }),
    durationMs: z.number().min(0),
  })
  .meta({ id: 'CheckResult' });
export type CheckResult = z.infer<typeof checkResult>;

export const doctorReport = z
  .object({
    at: z
      .number()
      .meta({ description: 'Milliseconds since the epoch, by the clock of the connector’s machine.' }),
    version: z.string().max(64).meta({ description: 'Of the connector that looked.' }),
    service: z
      .string()
      .max(300)
      .meta({ description: 'connect.<domain>:<port>, or empty where it is not known.' }),
    restart: z
      .object({ couldHelp: z.boolean(), reason: sentence })
      .nullable()
      .meta({ description: 'Whether a restart could help; null where no connector runs.' }),
    results: z.array(checkResult).max(200),
    exitCode: z.number().int(),
    logFiles: z.array(z.string().max(1_024)).max(20).optional().meta({
      description:
        'Files on that machine that say what happened before: the newest log of each command, and the connector’s own. Absent from older connectors.',
    }),
  })
  .meta({ id: 'DoctorReport' });
export type DoctorReport = z.infer<typeof doctorReport>;

/** A result of any doctor; the groups are its own. */
export type ResultOf<Group extends string> = Omit<CheckResult, 'group'> & { readonly group: Group };

/** A report of any doctor. */
export type ReportOf<Group extends string> = Omit<DoctorReport, 'results'> & {
  readonly results: readonly ResultOf<Group>[];
};
