import { user } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findUser } from '../../find-object.ts';

export function addUserDisable(parent: Command): void {
  parent
    .command('disable')
    .argument('<user>', 'name or id')
    .summary('block a user: every session, download and WebSocket of theirs ends')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id } = await findUser(admin, nameOrId);
      await admin.send('PATCH', `users/${id}`, { accountEnabled: false });
      const changed = await admin.get(`users/${id}`, user);
      context.output.result(changed, `${changed.userPrincipalName} is disabled and signed out everywhere.`);
    });
}
