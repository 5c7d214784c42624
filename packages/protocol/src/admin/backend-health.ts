import { z } from 'zod';

const backendFailure = z
  .object({
    code: z.string().meta({ description: 'A stable name of what went wrong.' }),
    hop: z.string().meta({ description: 'Where: tunnel, connector or backend.' }),
    detail: z.string().meta({ description: 'What was seen, as the connector or the service says it.' }),
    remedy: z.string().meta({ description: 'What to do about it.' }),
    dateTime: z.string(),
  })
  .meta({ id: 'BackendFailure' });

const connectorHealth = z
  .object({
    connectorId: z.string(),
    machineName: z.string(),
    state: z.enum(['healthy', 'unhealthy', 'unknown', 'offline']).meta({
      description:
        'unhealthy: it is passed over for this backend. unknown: nothing is known against it, and no probe has said that it is well. offline: the connector takes no requests for it now, being away or drained.',
    }),
    sinceDateTime: z.string().nullable(),
    lastFailure: backendFailure
      .nullable()
      .meta({ description: 'Of this state or, where it is healthy, of the one before.' }),
  })
  .meta({ id: 'BackendConnectorHealth' });
export type ConnectorHealth = z.infer<typeof connectorHealth>;

/** A backend of an application, and how it fares through each connector of the group. */
export const backendHealth = z
  .object({
    url: z.string(),
    weight: z.int(),
    isBackup: z.boolean(),
    connectors: z.array(connectorHealth),
  })
  .meta({ id: 'BackendHealth' });
export type BackendHealth = z.infer<typeof backendHealth>;
