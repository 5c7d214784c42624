import type { Command } from 'commander';
import { CliError } from '../../../cli-error.ts';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findCorsRules } from '../../../cors-rules.ts';

export function addCorsRemove(parent: Command): void {
  parent
    .command('remove')
    .argument('<application>', 'name or id')
    .argument('<path>', 'the resource whose rules go')
    .summary('remove the rules for a path')
    .option('--segment <segment>', 'the external URL of a segment, the host of that, or its id')
    .action(
      async (
        nameOrId: string,
        path: string,
        { segment }: { readonly segment?: string },
        command: Command,
      ) => {
        const context = contextOf(command);
        const admin = await connectAdmin(context);
        const { rules, replace } = await findCorsRules(admin, nameOrId, segment);
        const left = rules.filter(one => one.resource !== path);
        if (left.length === rules.length) {
          throw new CliError('notFound', `There is no rule for ${path}.`, {
            remedy: '`postern app cors list` shows them all.',
          });
        }
        await replace(left);
        context.output.result({ resource: path, removed: true }, `Removed the rules for ${path}.`);
      },
    );
}
