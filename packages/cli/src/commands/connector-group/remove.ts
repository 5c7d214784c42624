import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findConnectorGroup, publishingPath } from '../../find-object.ts';

export function addConnectorGroupRemove(parent: Command): void {
  parent
    .command('remove')
    .argument('<connector group>', 'name or id')
    .summary('remove an empty connector group')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, name } = await findConnectorGroup(admin, nameOrId);
      await admin.send('DELETE', `${publishingPath}/connectorGroups/${id}`);
      context.output.result({ id, name, removed: true }, `Removed connector group ${name}.`);
    });
}
