import { user } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findUser } from '../../find-object.ts';

export function addUserEnable(parent: Command): void {
  parent
    .command('enable')
    .argument('<user>', 'name or id')
    .summary('let a disabled user in again')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id } = await findUser(admin, nameOrId);
      await admin.send('PATCH', `users/${id}`, { accountEnabled: true });
      const changed = await admin.get(`users/${id}`, user);
      context.output.result(changed, `${changed.userPrincipalName} may sign in again.`);
    });
}
