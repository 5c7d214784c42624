import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findApplication } from '../../find-object.ts';
import { formatApplicationDetails, readApplicationDetails } from '../../show-application.ts';
import { probe } from '../../show-application-status.ts';

export function addAppShow(app: Command): void {
  app
    .command('show')
    .argument('<application>', 'name or id')
    .summary('show one application')
    .option('--probe', 'send a request to it first, so that its status is of this moment')
    .action(async (nameOrId: string, { probe: isProbed }: { probe?: boolean }, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      if (isProbed) await probe(admin, [(await findApplication(admin, nameOrId)).id]);
      const details = await readApplicationDetails(admin, await findApplication(admin, nameOrId));
      context.output.result(details, formatApplicationDetails(details));
    });
}
