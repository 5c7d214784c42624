import { connector } from '@postern/protocol/admin/connectors';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findConnector, publishingPath } from '../../find-object.ts';

export function addConnectorUpdate(parent: Command): void {
  parent
    .command('update')
    .argument('<connector>', 'machine name or id')
    .summary('say where a connector is')
    .description(
      'Connectors in the region of their group (`postern connector-group update --region`), or else of the service, carry its requests; the others only while none of those can.',
    )
    .requiredOption('--region <region>', 'such as eu-north; empty for nowhere in particular')
    .action(async (nameOrId: string, { region }: { readonly region: string }, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id } = await findConnector(admin, nameOrId);
      const path = `${publishingPath}/connectors/${id}`;
      await admin.send('PATCH', path, { region: region === '' ? null : region });
      const changed = await admin.get(path, connector);
      const where = changed.region ? `is in the region ${changed.region}` : 'is in no region';
      context.output.result(changed, `Connector ${changed.machineName} (${id}) ${where}.`);
    });
}
