import { type Command, InvalidArgumentError, Option } from 'commander';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findCorsRules } from '../../../cors-rules.ts';

interface SetOptions {
  readonly segment?: string;
  readonly resource: string;
  readonly origin: string[];
  readonly method: string[];
  readonly header: string[];
  readonly maxAge: number;
}

export function addCorsSet(parent: Command): void {
  parent
    .command('set')
    .argument('<application>', 'name or id')
    .summary('set the rule for a path, in place of those that it had')
    .option('--segment <segment>', 'the external URL of a segment, the host of that, or its id')
    .option('--resource <path>', 'path below the external URL, and all that is below it', '/')
    .requiredOption(
      '--origin <origin...>',
      'whose pages may read answers, such as https://web.shop.example.com',
    )
    .addOption(
      new Option('--method <method...>', 'methods that those pages may use; * for every method').default(
        ['GET', 'HEAD', 'POST'],
        'GET HEAD POST',
      ),
    )
    .addOption(
      new Option(
        '--header <name...>',
        'request fields that they may set; X-My-* for all that begin so',
      ).default([], 'none'),
    )
    .option(
      '--max-age <seconds>',
      'how long browsers may keep the answer to a preflight request',
      parseSeconds,
      600,
    )
    .action(async (nameOrId: string, options: SetOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { rules, replace } = await findCorsRules(admin, nameOrId, options.segment);
      const { resource } = options;
      const rule = {
        resource,
        allowedOrigins: options.origin,
        allowedMethods: options.method,
        allowedHeaders: options.header,
        maxAgeInSeconds: options.maxAge,
      };
      await replace([...rules.filter(one => one.resource !== resource), rule]);
      context.output.result(rule, `Pages of ${rule.allowedOrigins.join(', ')} may use ${resource} now.`);
    });
}

function parseSeconds(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('It is a number of seconds.');
  return Number(text);
}
