import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findApplication } from '../../../find-object.ts';
import { listSegments } from '../../../find-segment.ts';

export function addSegmentList(parent: Command): void {
  parent
    .command('list')
    .argument('<application>', 'name or id')
    .summary('list the segments of an application')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const segments = await listSegments(admin, (await findApplication(admin, nameOrId)).id);
      context.output.table(
        segments,
        segments,
        [
          { title: 'EXTERNAL URL', value: each => each.externalUrl, flexible: true },
          { title: 'INTERNAL URL', value: each => each.internalUrl, flexible: true },
          { title: 'CORS RULES', value: each => String(each.corsConfigurations.length) },
          { title: 'ID', value: each => each.id },
        ],
        'It has no segments. `postern app segment add` adds one to an application with a wildcard.',
      );
    });
}
