import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findConnector, publishingPath } from '../../find-object.ts';

export function addConnectorRevoke(parent: Command): void {
  parent
    .command('revoke')
    .argument('<connector>', 'machine name or id')
    .summary('end the trust in a connector at once and for good')
    .description(
      'Revokes the trust certificate of a connector: its tunnels are cut, and it cannot come back without a new registration.',
    )
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, machineName } = await findConnector(admin, nameOrId);
      await admin.send('POST', `${publishingPath}/connectors/${id}/revoke`);
      context.output.result({ id, machineName, revoked: true }, `Revoked connector ${machineName} (${id}).`);
    });
}
