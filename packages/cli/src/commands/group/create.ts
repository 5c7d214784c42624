import { group } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';

export function addGroupCreate(parent: Command): void {
  parent
    .command('create')
    .argument('<name>')
    .summary('create a group of users')
    .option('--description <text>', 'what the group is for')
    .action(async (displayName: string, options: { description?: string }, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const made = await admin.post('groups', { displayName, description: options.description }, group);
      context.output.result(made, `Created group ${made.displayName}.`);
    });
}
