import { z } from 'zod';

/** Several backends of one application, and probes of their health. Names of ours: Entra has neither. */

export const maxFurtherBackends = 32;
const mostWeight = 1_000;

const weight = (description: string) =>
  z
    .int({ error: `must be a whole number from 1 to ${mostWeight}, such as 1` })
    .min(1, { error: `must be at least 1, such as 1; to give a backend no requests, leave it out` })
    .max(mostWeight, { error: `must be at most ${mostWeight}, such as 10` })
    .meta({ description });

export const internalUrlWeight = weight(
  'How many requests the internal URL gets in proportion to the weights of the other backends. Default 1.',
);

const backend = z.strictObject({
  url: z
    .string()
    .max(2048)
    .meta({
      description:
        'Scheme, host and port of the backend, as the connector reaches it. The path is that of the internal URL.',
      examples: ['http://wiki-2.corp.example:8080/'],
    }),
  weight: weight(
    'How many requests it gets in proportion to the weights of the others. Default 1.',
  ).optional(),
  isBackup: z
    .boolean()
    .meta({ description: 'It gets requests only while no other backend is healthy. Default false.' })
    .optional(),
});

/** What an update takes. */
export const backends = z
  .array(backend)
  .max(maxFurtherBackends, {
    error: `must be at most ${maxFurtherBackends} backends beside the internal URL`,
  })
  .meta({
    description:
      'Backends beside the internal URL that serve the same application. The host that they are asked for and whose addresses they may answer with is that of the internal URL. Not with a wildcard. Default none.',
  });

/** As it is stored and read: with a value each. */
export const storedBackends = z.array(
  z
    .object({ url: z.string(), weight: z.int(), isBackup: z.boolean() })
    .meta({ id: 'Backend', description: 'A backend beside the internal URL.' }),
);
export type FurtherBackend = z.infer<typeof storedBackends>[number];

const statusRange = z
  .string()
  .regex(/^[1-5]\d\d(-[1-5]\d\d)?$/, { error: 'must be a status or a range such as 204 or 200-399' })
  .refine(text => Number(text.slice(0, 3)) <= Number(text.slice(-3)), {
    error: 'must begin with the smaller status, such as 200-399',
  });

const seconds = (most: number, description: string) =>
  z
    .int({ error: `must be a whole number of seconds from 1 to ${most}, such as 10` })
    .min(1, { error: `must be at least 1 second, such as 10` })
    .max(most, { error: `must be at most ${most} seconds, such as 10` })
    .meta({ description });

const times = (description: string) => z.int().min(1).max(100).meta({ description });

/** Requests that the service sends by itself to every backend through every connector of the group. */
export const healthProbe = z
  .strictObject({
    isEnabled: z
      .boolean()
      .meta({ description: 'Send probes. Without them, only the requests of people tell. Default false.' }),
    path: z
      .string()
      .max(1_024)
      .regex(/^\/[\x21-\x22\x24-\x7e]*$/, {
        error: 'must begin with / and be without spaces and fragment, such as /healthz',
      })
      .meta({
        description:
          'What is asked for with GET, as the backend knows it, whatever the path of the internal URL. Default /.',
        examples: ['/healthz'],
      }),
    intervalSeconds: seconds(
      3_600,
      'How often each backend is asked through each connector, give or take a tenth. Default 10.',
    ),
    timeoutSeconds: seconds(
      60,
      'How long connection and answer may take together, up to the end of its head. Default 5.',
    ),
    expectedStatuses: z
      .array(statusRange)
      .min(1, { error: 'must name a status or a range, such as 200-399' })
      .max(20)
      .meta({
        description: 'Statuses and ranges of a healthy backend. No redirect is followed. Default 200-399.',
        examples: [['200-399']],
      }),
    unhealthyAfter: times('After so many failures in a row a backend is passed over. Default 3.'),
    healthyAfter: times('After so many successes in a row it gets requests again. Default 2.'),
  })
  .meta({ id: 'HealthProbe' });
export type HealthProbe = z.infer<typeof healthProbe>;

/** One backend, no probes. */
export const backendDefaults: {
  readonly internalUrlWeight: number;
  readonly backends: FurtherBackend[];
  readonly healthProbe: HealthProbe;
} = {
  internalUrlWeight: 1,
  backends: [],
  healthProbe: {
    isEnabled: false,
    path: '/',
    intervalSeconds: 10,
    timeoutSeconds: 5,
    expectedStatuses: ['200-399'],
    unhealthyAfter: 3,
    healthyAfter: 2,
  },
};
