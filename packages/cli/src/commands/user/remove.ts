import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findUser } from '../../find-object.ts';

export function addUserRemove(parent: Command): void {
  parent
    .command('remove')
    .argument('<user>', 'name or id')
    .summary('remove a user with all assignments, memberships and roles')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, userPrincipalName } = await findUser(admin, nameOrId);
      await admin.send('DELETE', `users/${id}`);
      context.output.result({ id, userPrincipalName, removed: true }, `Removed ${userPrincipalName}.`);
    });
}
