import { z } from 'zod';
import { displayName } from './applications.ts';
import { certificateLife } from './certificate-life.ts';
import { collectionQuery } from './collection.ts';

const connectorCertificate = z.object(certificateLife).meta({ id: 'ConnectorCertificate' });

export const connector = z
  .object({
    id: z.string(),
    machineName: z.string(),
    externalIp: z.string().nullable(),
    status: z.enum(['active', 'inactive', 'expired', 'revoked']).meta({
      description:
        'active: within the last 10 seconds a probe went through a tunnel to the connector and came back. expired: its newest certificate has expired. revoked: for good.',
    }),
    version: z.string(),
    os: z.string(),
    registeredDateTime: z.string(),
    lastSeenDateTime: z.string().nullable(),
    revokedDateTime: z.string().nullable(),
    isHidden: z.boolean().optional().meta({
      description:
        'It was not seen for so long that lists leave it out, unless includeHidden asks for it. It returns by itself.',
    }),
    isDraining: z.boolean().optional().meta({
      description: 'An administrator has taken it out of use: it gets no new requests.',
    }),
    region: z.string().nullable().optional().meta({
      description: 'Where it is; null for nowhere in particular.',
    }),
    certificate: connectorCertificate
      .nullable()
      .meta({ description: 'The trust certificate that is valid longest.' }),
  })
  .meta({ id: 'Connector' });
export type Connector = z.infer<typeof connector>;

/** What a list of connectors takes beside what every list does. */
export const connectorListQuery = collectionQuery.extend({
  includeHidden: z
    .enum(['true', 'false'])
    .optional()
    .meta({ description: 'true: with those that were not seen for long.' }),
});

const connectorEventName = z.enum([
  'registered',
  'registered_again',
  'certificate_renewed',
  'certificate_renewal_refused',
  'connected',
  'lost',
  'refused',
  'moved',
  'drained',
  'resumed',
  'revoked',
  'left',
]);
export type ConnectorEventName = z.infer<typeof connectorEventName>;

export const connectorEvent = z
  .object({
    id: z.string(),
    event: connectorEventName,
    level: z.enum(['info', 'warn', 'error']),
    message: z.string().meta({ description: 'One sentence for an administrator.' }),
    createdDateTime: z.string(),
  })
  .meta({ id: 'ConnectorEvent' });
export type ConnectorEvent = z.infer<typeof connectorEvent>;

export const connectorGroup = z
  .object({
    id: z.string(),
    name: z.string(),
    connectorGroupType: z.literal('applicationProxy'),
    isDefault: z.boolean(),
    region: z.string().nullable(),
  })
  .meta({ id: 'ConnectorGroup' });
export type ConnectorGroup = z.infer<typeof connectorGroup>;

const region = z
  .string()
  .max(64)
  .regex(/^\P{Cc}*$/u, { error: 'must be a name such as eu-north, without control characters' })
  .nullable();

export const connectorUpdate = z
  .strictObject({
    region: region.meta({
      description:
        'Where the connector is, such as eu-north; null for nowhere in particular. Connectors in the region of their group, or else of the service, are preferred.',
    }),
  })
  .meta({ id: 'ConnectorUpdate' });

export const connectorGroupCreate = z
  .strictObject({
    name: displayName,
    region: region.optional(),
    connectorGroupType: z.literal('applicationProxy').optional(),
  })
  .meta({ id: 'ConnectorGroupCreate' });
export type ConnectorGroupCreate = z.infer<typeof connectorGroupCreate>;

export const connectorGroupUpdate = z
  .strictObject({ name: displayName, region })
  .partial()
  .meta({ id: 'ConnectorGroupUpdate' });
export type ConnectorGroupUpdate = z.infer<typeof connectorGroupUpdate>;

export const publishingProfile = z
  .object({
    id: z.literal('applicationProxy'),
    isEnabled: z.boolean().meta({ description: 'false refuses every application at the edge.' }),
    isDefaultAccessEnabled: z.boolean(),
  })
  .meta({ id: 'OnPremisesPublishingProfile' });
export type PublishingProfile = z.infer<typeof publishingProfile>;

export const publishingProfileUpdate = z
  .strictObject({
    isEnabled: z.literal(true, {
      error: 'the service cannot be switched off here; disable its applications one by one, or stop it',
    }),
    isDefaultAccessEnabled: z.literal(false, {
      error:
        'access is never given to everybody by default; set appRoleAssignmentRequired of one application to false',
    }),
  })
  .partial()
  .meta({ id: 'OnPremisesPublishingProfileUpdate' });
