import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { domainPath } from '../../show-domain.ts';

export function addDomainRemove(parent: Command): void {
  parent
    .command('remove')
    .argument('<domain>', 'such as apps.contoso.com')
    .summary('remove a custom domain under which nothing is published')
    .action(async (name: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      await admin.send('DELETE', domainPath(name));
      context.output.result(
        { id: name, removed: true },
        `Removed ${name}. Remove its DNS records, too: a name that leads nowhere invites others to take it.`,
      );
    });
}
