import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findGroup, findUser } from '../../find-object.ts';

export function addGroupAddMember(parent: Command): void {
  parent
    .command('add-member')
    .argument('<group>', 'name or id')
    .argument('<user...>', 'names or ids')
    .summary('add users to a group')
    .action(async (nameOrId: string, given: string[], _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const group = await findGroup(admin, nameOrId);
      const users = await Promise.all(given.map(each => findUser(admin, each)));
      for (const { id } of users) {
        await admin.send('POST', `groups/${group.id}/members/$ref`, admin.reference(`users/${id}`));
      }
      context.output.result(
        { id: group.id, displayName: group.displayName, added: users.map(each => each.id) },
        `Added ${users.map(each => each.userPrincipalName).join(', ')} to ${group.displayName}.`,
      );
    });
}
