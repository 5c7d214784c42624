import { domainCheck } from '@postern/protocol/admin/domains';
import type { Command } from 'commander';
import { exitCodes } from '../../cli-error.ts';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { domainPath } from '../../show-domain.ts';

const marks = { ok: '✔', warning: '!', failed: '✖' } as const;

export function addDomainCheck(parent: Command): void {
  parent
    .command('check')
    .argument('<domain>', 'such as apps.contoso.com')
    .summary('check whether the names of a custom domain lead here and have a certificate')
    .description(
      'Checks each name that is published under a custom domain: whether it leads to the service, and whether a ' +
        'certificate covers it. Exit code 1 says that something is wrong.',
    )
    .action(async (name: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { value } = await admin.post(`${domainPath(name)}/check`, undefined, domainCheck);
      const lines = value.map(
        ({ host, check, status, detail, remedy }) =>
          `${marks[status]} ${host}  ${check}: ${detail}${remedy === null ? '' : `\n    ${remedy}`}`,
      );
      context.output.result(value, lines.join('\n'));
      process.exitCode = value.some(({ status }) => status === 'failed') ? exitCodes.failed : exitCodes.ok;
    });
}
