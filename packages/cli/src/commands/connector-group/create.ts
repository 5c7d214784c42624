import { connectorGroup } from '@postern/protocol/admin/connectors';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { publishingPath } from '../../find-object.ts';

export function addConnectorGroupCreate(parent: Command): void {
  parent
    .command('create')
    .argument('<name>')
    .summary('create a connector group')
    .option('--region <region>', 'connectors of this region are preferred, such as eu-north')
    .action(async (name: string, options: { region?: string }, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const made = await admin.post(
        `${publishingPath}/connectorGroups`,
        { name, ...options },
        connectorGroup,
      );
      context.output.result(made, `Created connector group ${made.name} (${made.id}).`);
    });
}
