import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findCorsRules } from '../../../cors-rules.ts';

export function addCorsList(parent: Command): void {
  parent
    .command('list')
    .argument('<application>', 'name or id')
    .summary('list the rules of an application or of a segment')
    .option('--segment <segment>', 'the external URL of a segment, the host of that, or its id')
    .action(async (nameOrId: string, { segment }: { readonly segment?: string }, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { rules } = await findCorsRules(admin, nameOrId, segment);
      context.output.table(
        rules,
        rules,
        [
          { title: 'RESOURCE', value: each => each.resource },
          { title: 'ORIGINS', value: each => each.allowedOrigins.join(', '), flexible: true },
          { title: 'METHODS', value: each => each.allowedMethods.join(', '), flexible: true },
          { title: 'HEADERS', value: each => each.allowedHeaders.join(', ') || '–', flexible: true },
          { title: 'MAX AGE', value: each => `${each.maxAgeInSeconds} s` },
        ],
        'It has no rules: the backend decides.',
      );
    });
}
