import { applicationSegment } from '@postern/protocol/admin/application-segments';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findApplication } from '../../../find-object.ts';
import { segmentsPath } from '../../../find-segment.ts';

interface AddOptions {
  readonly externalUrl: string;
  readonly internalUrl: string;
}

export function addSegmentAdd(parent: Command): void {
  parent
    .command('add')
    .argument('<application>', 'name or id')
    .summary('add a segment to an application with a wildcard')
    .requiredOption(
      '--external-url <url>',
      "where people reach it, under the application's wildcard, such as https://api.shop.example.com/",
    )
    .requiredOption(
      '--internal-url <url>',
      'where the connector reaches it, such as http://api.corp.example:8080/',
    )
    .action(async (nameOrId: string, { externalUrl, internalUrl }: AddOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id, displayName } = await findApplication(admin, nameOrId);
      const added = await admin.post(segmentsPath(id), { externalUrl, internalUrl }, applicationSegment);
      context.output.result(added, `Added ${added.externalUrl} to ${displayName}.`);
    });
}
