import { user } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { CliError } from '../../cli-error.ts';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findUser } from '../../find-object.ts';

interface UpdateOptions {
  readonly name?: string;
  readonly displayName?: string;
  readonly mail?: string;
}

export function addUserUpdate(parent: Command): void {
  parent
    .command('update')
    .argument('<user>', 'name or id')
    .summary('change a user')
    .option('--name <name>', 'new name to sign in with')
    .option('--display-name <name>', 'name that others see')
    .option('--mail <address>', 'mail address; empty for none')
    .action(async (nameOrId: string, { name, displayName, mail }: UpdateOptions, command: Command) => {
      if (name === undefined && displayName === undefined && mail === undefined) {
        throw new CliError('usage', 'Nothing to change was named.', {
          remedy: 'Give --name, --display-name or --mail.',
        });
      }
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id } = await findUser(admin, nameOrId);
      await admin.send('PATCH', `users/${id}`, {
        userPrincipalName: name,
        displayName,
        mail: mail === '' ? null : mail,
      });
      const changed = await admin.get(`users/${id}`, user);
      context.output.result(changed, `Changed ${changed.userPrincipalName}.`);
    });
}
