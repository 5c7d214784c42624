import { z } from 'zod';
import { displayName } from './applications.ts';
import { id } from './collection.ts';

export const enrolmentToken = z
  .object({
    id: z.string(),
    displayName: z.string().nullable(),
    connectorGroupId: z.string(),
    status: z.enum(['usable', 'usedUp', 'expired', 'revoked']),
    maxUses: z.number().int(),
    uses: z.number().int().meta({ description: 'Connectors that have registered with it.' }),
    createdDateTime: z.string(),
    createdByUserId: z.string().meta({
      description:
        'Who made it. It works as long as this account is enabled and may itself register connectors.',
    }),
    expirationDateTime: z.string(),
    lastUsedDateTime: z.string().nullable(),
    revokedDateTime: z.string().nullable(),
  })
  .meta({ id: 'EnrolmentToken' });
export type EnrolmentTokenDescription = z.infer<typeof enrolmentToken>;

/** Longest life of an enrolment token, in seconds: 30 days. */
export const maxEnrolmentLifetimeSeconds = 30 * 86_400;

export const enrolmentTokenCreate = z
  .strictObject({
    displayName: displayName.optional().meta({ description: 'What it is for, for people to read.' }),
    connectorGroupId: id.optional().meta({ description: 'The default group where absent.' }),
    maxUses: z
      .number()
      .int()
      .min(1)
      .max(1_000)
      .default(1)
      .meta({ description: 'How many connectors may register with it, 1 to 1,000.' }),
    lifetimeSeconds: z
      .number()
      .int()
      .min(60)
      .max(maxEnrolmentLifetimeSeconds)
      .default(86_400)
      .meta({ description: 'How long it works, in seconds: a minute to 30 days.' }),
  })
  .meta({ id: 'EnrolmentTokenCreate' });

export const enrolmentTokenCreated = enrolmentToken
  .extend({
    token: z.string().meta({ description: 'It is shown now and never again.' }),
    command: z.string().meta({ description: 'What to run on the machine that is to become a connector.' }),
  })
  .meta({ id: 'EnrolmentTokenCreated' });
