import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findGroup, findUser } from '../../find-object.ts';

export function addGroupRemoveMember(parent: Command): void {
  parent
    .command('remove-member')
    .argument('<group>', 'name or id')
    .argument('<user...>', 'names or ids')
    .summary('take users out of a group')
    .action(async (nameOrId: string, given: string[], _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const group = await findGroup(admin, nameOrId);
      const users = await Promise.all(given.map(each => findUser(admin, each)));
      for (const { id } of users) {
        await admin.send('DELETE', `groups/${group.id}/members/${id}/$ref`);
      }
      context.output.result(
        { id: group.id, displayName: group.displayName, removed: users.map(each => each.id) },
        `Took ${users.map(each => each.userPrincipalName).join(', ')} out of ${group.displayName}.`,
      );
    });
}
