import { type RoleName, roleName, roleTemplateIds } from '@postern/protocol/admin/directory';
import { type Command, Option } from 'commander';
import { CliError } from '../../cli-error.ts';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findUser } from '../../find-object.ts';
import { formatUserDetails, readUserDetails } from '../../show-user.ts';

interface RoleOptions {
  readonly add?: RoleName[];
  readonly remove?: RoleName[];
}

export function addUserRole(parent: Command): void {
  parent
    .command('role')
    .argument('<user>', 'name or id')
    .summary('give roles to a user or take them away')
    .description(
      'Gives roles to a user or takes them away. Application Administrator: publishes applications and manages ' +
        'connectors. Global Administrator: also manages users, groups and roles.',
    )
    .addOption(new Option('--add <role...>', 'role to give').choices(roleName.options))
    .addOption(new Option('--remove <role...>', 'role to take away').choices(roleName.options))
    .action(async (nameOrId: string, { add = [], remove = [] }: RoleOptions, command: Command) => {
      if (add.length + remove.length === 0) {
        throw new CliError('usage', 'No role was named.', { remedy: 'Give --add ROLE or --remove ROLE.' });
      }
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const found = await findUser(admin, nameOrId);
      for (const role of add) {
        await admin.send(
          'POST',
          `directoryRoles/${roleTemplateIds[role]}/members/$ref`,
          admin.reference(`users/${found.id}`),
        );
      }
      for (const role of remove) {
        await admin.send('DELETE', `directoryRoles/${roleTemplateIds[role]}/members/${found.id}/$ref`);
      }
      const details = await readUserDetails(admin, found);
      context.output.result({ ...details.user, memberOf: details.memberOf }, formatUserDetails(details));
    });
}
