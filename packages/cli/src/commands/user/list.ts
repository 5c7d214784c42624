import { user } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { describeAccount } from '../../show-user.ts';

export function addUserList(parent: Command): void {
  parent
    .command('list')
    .summary('list the users')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const users = await admin.list('users', user);
      context.output.table(
        users,
        users,
        [
          { title: 'NAME', value: each => each.userPrincipalName, flexible: true },
          { title: 'DISPLAY NAME', value: each => each.displayName, flexible: true },
          { title: 'MAIL', value: each => each.mail ?? '–', flexible: true },
          { title: 'ACCOUNT', value: describeAccount },
        ],
        'There is no user.',
      );
    });
}
