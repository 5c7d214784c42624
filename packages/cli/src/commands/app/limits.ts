import { application } from '@postern/protocol/admin/applications';
import type { ApplicationLimits } from '@postern/protocol/admin/publishing-limits';
import { type Command, InvalidArgumentError } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findApplication, requirePublishing } from '../../find-object.ts';
import { formatProperties } from '../../output.ts';

interface LimitsOptions {
  readonly requests?: number;
  readonly requestsPerClient?: number;
  readonly open?: number;
  readonly openPerClient?: number;
  readonly upgrades?: number;
  readonly upgradesPerClient?: number;
  readonly allow?: string[];
  readonly deny?: string[];
}

export function addAppLimits(app: Command): void {
  app
    .command('limits')
    .argument('<application>', 'name or id')
    .summary('show or change what clients may use of an application')
    .description(
      'Without options it shows the limits. A client is one address, of IPv6 one /64. 0 takes a limit away; an empty text ' +
        'empties a list. What is not named stays as it is.',
    )
    .option('--requests <number>', 'requests a minute of everybody together', parseCount)
    .option('--requests-per-client <number>', 'requests a minute of one client', parseCount)
    .option('--open <number>', 'requests of everybody together that are under way at a time', parseCount)
    .option('--open-per-client <number>', 'requests of one client that are under way at a time', parseCount)
    .option('--upgrades <number>', 'open WebSockets of everybody together', parseCount)
    .option('--upgrades-per-client <number>', 'open WebSockets of one client', parseCount)
    .option('--allow <network...>', 'only these addresses and networks, such as 10.0.0.0/8')
    .option('--deny <network...>', 'not these addresses and networks')
    .action(async (nameOrId: string, options: LimitsOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const found = await findApplication(admin, nameOrId);
      requirePublishing(found);
      const limits = toUpdate(options);
      const path = `applications/${found.id}`;
      if (Object.keys(limits).length > 0)
        await admin.send('PATCH', path, { onPremisesPublishing: { limits } });
      const after = requirePublishing(await admin.get(path, application)).limits;
      context.output.result(after, formatLimits(after));
    });
}

function toUpdate(options: LimitsOptions): Partial<ApplicationLimits> {
  const networks = (given: string[] | undefined) => given?.filter(one => one !== '');
  const update = {
    requestsPerMinute: options.requests,
    requestsPerMinutePerClient: options.requestsPerClient,
    openRequests: options.open,
    openRequestsPerClient: options.openPerClient,
    openUpgrades: options.upgrades,
    openUpgradesPerClient: options.upgradesPerClient,
    allowedNetworks: networks(options.allow),
    deniedNetworks: networks(options.deny),
  };
  return Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined));
}

function formatLimits(limits: ApplicationLimits): string {
  const number = (value: number) => (value === 0 ? 'no limit' : String(value));
  return formatProperties([
    ['Requests a minute', number(limits.requestsPerMinute)],
    ['  of one client', number(limits.requestsPerMinutePerClient)],
    ['Requests at a time', number(limits.openRequests)],
    ['  of one client', number(limits.openRequestsPerClient)],
    ['WebSockets at a time', number(limits.openUpgrades)],
    ['  of one client', number(limits.openUpgradesPerClient)],
    ['Allowed', limits.allowedNetworks.join(', ') || 'everybody'],
    ['Denied', limits.deniedNetworks.join(', ') || 'nobody'],
  ]);
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a number; 0 for no limit.');
  return Number(text);
}
