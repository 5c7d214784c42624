import { connectorGroup } from '@postern/protocol/admin/connectors';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { publishingPath } from '../../find-object.ts';

export function addConnectorGroupList(parent: Command): void {
  parent
    .command('list')
    .summary('list the connector groups')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const groups = await admin.list(`${publishingPath}/connectorGroups`, connectorGroup);
      context.output.table(
        groups,
        groups,
        [
          { title: 'NAME', value: each => each.name, flexible: true },
          { title: 'REGION', value: each => each.region ?? '–' },
          { title: 'DEFAULT', value: each => (each.isDefault ? 'yes' : '') },
          { title: 'ID', value: each => each.id },
        ],
        'There is no connector group.',
      );
    });
}
