import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findApplication } from '../../find-object.ts';

export function addAppRemove(app: Command): void {
  app
    .command('remove')
    .argument('<application>', 'name or id')
    .summary('remove an application and its assignments')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, displayName } = await findApplication(admin, nameOrId);
      await admin.send('DELETE', `applications/${id}`);
      context.output.result({ id, displayName, removed: true }, `Removed ${displayName}.`);
    });
}
