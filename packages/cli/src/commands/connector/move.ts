import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findConnector, findConnectorGroup, publishingPath } from '../../find-object.ts';

export function addConnectorMove(parent: Command): void {
  parent
    .command('move')
    .argument('<connector>', 'machine name or id')
    .argument('<connector group>', 'name or id')
    .summary('move a connector to another connector group')
    .action(async (nameOrId: string, groupName: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, machineName } = await findConnector(admin, nameOrId);
      const group = await findConnectorGroup(admin, groupName);
      await admin.send(
        'POST',
        `${publishingPath}/connectors/${id}/memberOf/$ref`,
        admin.reference(`${publishingPath}/connectorGroups/${group.id}`),
      );
      context.output.result(
        { id, machineName, connectorGroupId: group.id },
        `Moved connector ${machineName} to ${group.name}.`,
      );
    });
}
