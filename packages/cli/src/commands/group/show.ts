import { user } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findGroup } from '../../find-object.ts';
import { formatTime } from '../../format-time.ts';
import { formatProperties } from '../../output.ts';

export function addGroupShow(parent: Command): void {
  parent
    .command('show')
    .argument('<group>', 'name or id')
    .summary('show one group with its members')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const found = await findGroup(admin, nameOrId);
      const members = await admin.list(`groups/${found.id}/members`, user);
      context.output.result(
        { ...found, members },
        formatProperties([
          ['Name', found.displayName],
          ['Description', found.description],
          ['Members', members.map(each => each.userPrincipalName).join(', ')],
          ['Created', formatTime(found.createdDateTime)],
          ['Id', found.id],
        ]),
      );
    });
}
