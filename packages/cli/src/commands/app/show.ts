import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findApplication } from '../../find-object.ts';
import { formatApplicationDetails, readApplicationDetails } from '../../show-application.ts';

export function addAppShow(app: Command): void {
  app
    .command('show')
    .argument('<application>', 'name or id')
    .summary('show one application')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const details = await readApplicationDetails(admin, await findApplication(admin, nameOrId));
      context.output.result(details, formatApplicationDetails(details));
    });
}
