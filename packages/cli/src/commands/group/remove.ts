import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findGroup } from '../../find-object.ts';

export function addGroupRemove(parent: Command): void {
  parent
    .command('remove')
    .argument('<group>', 'name or id')
    .summary('remove a group and its assignments')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, displayName } = await findGroup(admin, nameOrId);
      await admin.send('DELETE', `groups/${id}`);
      context.output.result({ id, displayName, removed: true }, `Removed group ${displayName}.`);
    });
}
