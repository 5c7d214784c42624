import { connector } from '@postern/protocol/admin/connectors';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { publishingPath } from '../../find-object.ts';

export function addConnectorList(parent: Command): void {
  parent
    .command('list')
    .summary('list the connectors of the service')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const connectors = await admin.list(`${publishingPath}/connectors`, connector);
      context.output.table(
        connectors,
        connectors,
        [
          { title: 'MACHINE', value: each => each.machineName, flexible: true },
          { title: 'STATUS', value: each => (each.revokedDateTime === null ? each.status : 'revoked') },
          { title: 'VERSION', value: each => each.version, flexible: true },
          { title: 'ADDRESS', value: each => each.externalIp ?? '–' },
          { title: 'ID', value: each => each.id },
        ],
        'No connector is registered. `postern connector register` on a machine of the private network registers one.',
      );
    });
}
