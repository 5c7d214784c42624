import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findUser } from '../../find-object.ts';
import { formatUserDetails, readUserDetails } from '../../show-user.ts';

export function addUserShow(parent: Command): void {
  parent
    .command('show')
    .argument('<user>', 'name or id')
    .summary('show one user with roles and groups')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const details = await readUserDetails(admin, await findUser(admin, nameOrId));
      context.output.result({ ...details.user, memberOf: details.memberOf }, formatUserDetails(details));
    });
}
