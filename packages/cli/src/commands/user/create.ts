import { invitation, user } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { formatTime } from '../../format-time.ts';

interface CreateOptions {
  readonly displayName?: string;
  readonly mail?: string;
  readonly invite: boolean;
}

export function addUserCreate(parent: Command): void {
  parent
    .command('create')
    .argument('<name>', 'the name to sign in with, such as anna@example.com')
    .summary('create a user and a link with which the person sets a password')
    .option('--display-name <name>', 'name that others see')
    .option('--mail <address>', 'mail address')
    .option('--no-invite', 'make no invitation link yet')
    .action(async (userPrincipalName: string, options: CreateOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const made = await admin.post(
        'users',
        { userPrincipalName, displayName: options.displayName ?? userPrincipalName, mail: options.mail },
        user,
      );
      if (!options.invite) {
        context.output.result({ user: made, invitation: null }, `Created ${made.userPrincipalName}.`);
        return;
      }
      const link = await admin.post(`users/${made.id}/invite`, undefined, invitation);
      context.output.result(
        { user: made, invitation: link },
        `Created ${made.userPrincipalName}. Give this link to the person; it works once, until ` +
          `${formatTime(link.expirationDateTime)}:\n\n  ${link.inviteRedeemUrl}`,
      );
    });
}
