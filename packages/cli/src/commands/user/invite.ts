import { invitation } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findUser } from '../../find-object.ts';
import { formatTime } from '../../format-time.ts';

export function addUserInvite(parent: Command): void {
  parent
    .command('invite')
    .argument('<user>', 'name or id')
    .summary('make a new link with which the person sets a password')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const found = await findUser(admin, nameOrId);
      const link = await admin.post(`users/${found.id}/invite`, undefined, invitation);
      context.output.result(
        { user: found, invitation: link },
        `Give this link to ${found.userPrincipalName}; it works once, until ` +
          `${formatTime(link.expirationDateTime)}:\n\n  ${link.inviteRedeemUrl}`,
      );
    });
}
