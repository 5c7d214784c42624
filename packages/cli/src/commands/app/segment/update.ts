import { applicationSegment } from '@postern/protocol/admin/application-segments';
import type { Command } from 'commander';
import { CliError } from '../../../cli-error.ts';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findApplication } from '../../../find-object.ts';
import { findSegment, segmentsPath } from '../../../find-segment.ts';

interface UpdateOptions {
  readonly externalUrl?: string;
  readonly internalUrl?: string;
}

export function addSegmentUpdate(parent: Command): void {
  parent
    .command('update')
    .argument('<application>', 'name or id')
    .argument('<segment>', 'its external URL, the host of that, or its id')
    .summary('change a segment')
    .option('--external-url <url>', "where people reach it, under the application's wildcard")
    .option('--internal-url <url>', 'where the connector reaches it')
    .action(async (nameOrId: string, given: string, options: UpdateOptions, command: Command) => {
      if (Object.keys(options).length === 0) {
        throw new CliError('usage', 'Nothing to change was named.', {
          remedy: '`postern app segment update --help` shows what can be.',
        });
      }
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id } = await findApplication(admin, nameOrId);
      const path = `${segmentsPath(id)}/${(await findSegment(admin, id, given)).id}`;
      await admin.send('PATCH', path, options);
      const changed = await admin.get(path, applicationSegment);
      context.output.result(changed, `${changed.externalUrl} leads to ${changed.internalUrl} now.`);
    });
}
