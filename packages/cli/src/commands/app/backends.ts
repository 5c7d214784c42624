import { application } from '@postern/protocol/admin/applications';
import { backendHealth } from '@postern/protocol/admin/backend-health';
import type { OnPremisesPublishing, OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import { type Command, InvalidArgumentError } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findApplication, requirePublishing } from '../../find-object.ts';
import { formatProperties } from '../../output.ts';
import { formatBackendHealth } from '../../show-backends.ts';

type GivenBackend = NonNullable<OnPremisesPublishingUpdate['backends']>[number];

interface BackendsOptions {
  readonly set?: (GivenBackend | null)[];
  readonly weight?: number;
  /** A path, or false for --no-probe. */
  readonly probe?: string | false;
  readonly interval?: number;
  readonly timeout?: number;
  readonly statuses?: string[];
  readonly unhealthyAfter?: number;
  readonly healthyAfter?: number;
}

export function addAppBackends(app: Command): void {
  app
    .command('backends')
    .argument('<application>', 'name or id')
    .summary('show the backends of an application and their health, or change them')
    .description(
      'Without options it shows every backend, and how it fares through each connector of the group. What is not named ' +
        'stays as it is.',
    )
    .option(
      '--set <backend...>',
      'all backends beside the internal URL, such as http://wiki-2:8080, http://wiki-3:8080,weight=3 or http://spare:8080,backup; "" for none',
      collectBackend,
    )
    .option('--weight <number>', 'of the internal URL', parseNumber)
    .option('--probe <path>', 'probe the health of every backend with GET, such as /healthz')
    .option('--no-probe', 'let the requests of people alone tell (default)')
    .option('--interval <seconds>', 'how often (10 at first)', parseNumber)
    .option('--timeout <seconds>', 'how long an answer may take (5 at first)', parseNumber)
    .option('--statuses <status...>', 'statuses of a healthy backend, such as 204 or 200-399 (at first)')
    .option('--unhealthy-after <number>', 'failures in a row (3 at first)', parseNumber)
    .option('--healthy-after <number>', 'successes in a row (2 at first)', parseNumber)
    .action(async (nameOrId: string, options: BackendsOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const found = await findApplication(admin, nameOrId);
      requirePublishing(found);
      const path = `applications/${found.id}`;
      const isProbeNamed = command.getOptionValueSource('probe') === 'cli';
      const onPremisesPublishing = toUpdate(options, isProbeNamed);
      if (Object.keys(onPremisesPublishing).length > 0) {
        await admin.send('PATCH', path, { onPremisesPublishing });
      }
      const publishing = requirePublishing(await admin.get(path, application));
      const health = await admin.list(`${path}/backendHealth`, backendHealth);
      const { internalUrlWeight, backends, healthProbe } = publishing;
      const shown = { internalUrlWeight, backends, healthProbe, backendHealth: health };
      context.output.result(shown, `${formatProbe(publishing)}\n\n${formatBackendHealth(health)}`.trimEnd());
    });
}

function toUpdate(options: BackendsOptions, isProbeNamed: boolean): OnPremisesPublishingUpdate {
  const { probe } = options;
  const healthProbe = withoutUndefined({
    isEnabled: isProbeNamed ? probe !== false : undefined,
    path: isProbeNamed && typeof probe === 'string' ? probe : undefined,
    intervalSeconds: options.interval,
    timeoutSeconds: options.timeout,
    expectedStatuses: options.statuses,
    unhealthyAfter: options.unhealthyAfter,
    healthyAfter: options.healthyAfter,
  });
  return withoutUndefined({
    backends: options.set?.filter(one => one !== null),
    internalUrlWeight: options.weight,
    healthProbe: Object.keys(healthProbe).length === 0 ? undefined : healthProbe,
  });
}

function withoutUndefined<Value extends object>(value: Value): Partial<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Partial<Value>;
}

function collectBackend(text: string, before: (GivenBackend | null)[] | undefined): (GivenBackend | null)[] {
  return [...(before ?? []), text === '' ? null : parseBackend(text)];
}

function parseBackend(text: string): GivenBackend {
  const [url = '', ...rest] = text.split(',');
  let backend: GivenBackend = { url };
  for (const one of rest) {
    const weight = /^weight=(\d{1,6})$/.exec(one)?.[1];
    if (weight !== undefined) backend = { ...backend, weight: Number(weight) };
    else if (one === 'backup') backend = { ...backend, isBackup: true };
    else throw new InvalidArgumentError(`"${one}" is neither weight=NUMBER nor backup.`);
  }
  return backend;
}

function parseNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It is a whole number.');
  return Number(text);
}

function formatProbe({ healthProbe: probe }: OnPremisesPublishing): string {
  if (!probe.isEnabled) return formatProperties([['Probes', 'none: the requests of people alone tell']]);
  return formatProperties([
    ['Probes', `GET ${probe.path} every ${probe.intervalSeconds} s, ${probe.timeoutSeconds} s at most`],
    ['Healthy', `${probe.expectedStatuses.join(', ')}; ${probe.healthyAfter} in a row after a failure`],
    ['Unhealthy', `after ${probe.unhealthyAfter} failures in a row`],
  ]);
}
