import { connectorGroup } from '@postern/protocol/admin/connectors';
import type { Command } from 'commander';
import { CliError } from '../../cli-error.ts';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findConnectorGroup, publishingPath } from '../../find-object.ts';

interface UpdateOptions {
  readonly name?: string;
  readonly region?: string;
}

export function addConnectorGroupUpdate(parent: Command): void {
  parent
    .command('update')
    .argument('<connector group>', 'name or id')
    .summary('change a connector group')
    .option('--name <name>', 'new name')
    .option(
      '--region <region>',
      'connectors of this region are preferred; empty: those of the region of the service',
    )
    .action(async (nameOrId: string, { name, region }: UpdateOptions, command: Command) => {
      if (name === undefined && region === undefined) {
        throw new CliError('usage', 'Nothing to change was named.', {
          remedy: 'Give --name or --region.',
        });
      }
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id } = await findConnectorGroup(admin, nameOrId);
      const path = `${publishingPath}/connectorGroups/${id}`;
      await admin.send('PATCH', path, { name, region: region === '' ? null : region });
      const changed = await admin.get(path, connectorGroup);
      context.output.result(changed, `Changed connector group ${changed.name}.`);
    });
}
