import { group } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';

export function addGroupList(parent: Command): void {
  parent
    .command('list')
    .summary('list the groups')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const groups = await admin.list('groups', group);
      context.output.table(
        groups,
        groups,
        [
          { title: 'NAME', value: each => each.displayName, flexible: true },
          { title: 'DESCRIPTION', value: each => each.description ?? '–', flexible: true },
          { title: 'ID', value: each => each.id },
        ],
        'There is no group. `postern group create NAME` makes one.',
      );
    });
}
