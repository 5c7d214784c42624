import { application } from '@postern/protocol/admin/applications';
import type { MaintenanceMode } from '@postern/protocol/admin/publishing-limits';
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findApplication, findPrincipal, requirePublishing } from '../../find-object.ts';
import { formatProperties } from '../../output.ts';

interface MaintenanceOptions {
  readonly message?: string;
  readonly retryAfter?: number;
  readonly except?: string[];
}

export function addAppMaintenance(app: Command): void {
  app
    .command('maintenance')
    .argument('<application>', 'name or id')
    .addArgument(new Argument('<state>', 'on: people find a page that says so').choices(['on', 'off']))
    .summary('close an application for a while, or open it again')
    .description(
      'Requests that are under way are finished, WebSockets are ended. What is not named stays as it was the last time.',
    )
    .option('--message <text>', 'what the page says, in one line; empty for our own words')
    .option('--retry-after <seconds>', 'when programs are to try again (300 at first)', parseSeconds)
    .option(
      '--except <user or group...>',
      'who reaches the application all the same; empty for nobody; user:NAME or group:NAME where a name is both',
    )
    .action(async (nameOrId: string, state: string, options: MaintenanceOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const found = await findApplication(admin, nameOrId);
      requirePublishing(found);
      const given = options.except?.filter(one => one !== '');
      const except = given && (await Promise.all(given.map(one => findPrincipal(admin, one))));
      const change: Partial<MaintenanceMode> = {
        isEnabled: state === 'on',
        ...(options.message === undefined ? {} : { message: options.message }),
        ...(options.retryAfter === undefined ? {} : { retryAfterSeconds: options.retryAfter }),
        ...(except === undefined ? {} : { exceptPrincipalIds: except.map(one => one.id) }),
      };
      const path = `applications/${found.id}`;
      await admin.send('PATCH', path, { onPremisesPublishing: { maintenanceMode: change } });
      const after = requirePublishing(await admin.get(path, application)).maintenanceMode;
      context.output.result(after, formatMaintenance(after));
    });
}

function formatMaintenance(mode: MaintenanceMode): string {
  return formatProperties([
    ['In maintenance', mode.isEnabled ? 'yes' : 'no'],
    ['Message', mode.message],
    ['Try again after', `${mode.retryAfterSeconds} seconds`],
    ['Let in all the same', mode.exceptPrincipalIds.join(', ')],
  ]);
}

function parseSeconds(text: string): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError('It is a number of seconds.');
  return Number(text);
}
