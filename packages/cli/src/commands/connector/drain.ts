import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findConnector, publishingPath } from '../../find-object.ts';

export function addConnectorDrain(parent: Command): void {
  parent
    .command('drain')
    .argument('<connector>', 'machine name or id')
    .summary('give a connector no new requests; those in flight are finished')
    .description(
      'Takes a connector out of use, as before work on its machine. Its tunnels stay up, and what is in flight is finished. `postern connector resume` ends it; a restart of the connector does not.',
    )
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, machineName } = await findConnector(admin, nameOrId);
      await admin.send('POST', `${publishingPath}/connectors/${id}/drain`);
      context.output.result(
        { id, machineName, isDraining: true },
        `Connector ${machineName} (${id}) gets no new requests until \`postern connector resume ${machineName}\`.`,
      );
    });
}

export function addConnectorResume(parent: Command): void {
  parent
    .command('resume')
    .argument('<connector>', 'machine name or id')
    .summary('give a drained connector requests again')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, machineName } = await findConnector(admin, nameOrId);
      await admin.send('POST', `${publishingPath}/connectors/${id}/resume`);
      context.output.result(
        { id, machineName, isDraining: false },
        `Connector ${machineName} (${id}) gets requests again.`,
      );
    });
}
