import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findApplication } from '../../../find-object.ts';
import { findSegment, segmentsPath } from '../../../find-segment.ts';

export function addSegmentRemove(parent: Command): void {
  parent
    .command('remove')
    .argument('<application>', 'name or id')
    .argument('<segment>', 'its external URL, the host of that, or its id')
    .summary('remove a segment; without segments every host under the wildcard is published')
    .action(async (nameOrId: string, given: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id } = await findApplication(admin, nameOrId);
      const segment = await findSegment(admin, id, given);
      await admin.send('DELETE', `${segmentsPath(id)}/${segment.id}`);
      context.output.result({ id: segment.id, removed: true }, `Removed ${segment.externalUrl}.`);
    });
}
