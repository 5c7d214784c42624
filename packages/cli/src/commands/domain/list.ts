import { domain } from '@postern/protocol/admin/domains';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { formatTime } from '../../format-time.ts';

export function addDomainList(parent: Command): void {
  parent
    .command('list')
    .summary('list custom domains')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const domains = await admin.list('domains', domain);
      context.output.table(
        domains,
        domains,
        [
          { title: 'DOMAIN', value: each => each.id, flexible: true },
          { title: 'VERIFIED', value: each => formatTime(each.verifiedDateTime) ?? 'no' },
          { title: 'BY', value: each => each.verificationMethod ?? '–' },
          {
            title: 'AUTOMATIC CERTIFICATES',
            value: each => (each.isAutomaticCertificateEnabled ? 'yes' : 'no'),
          },
        ],
        'There is no custom domain. `postern domain add` adds one.',
      );
    });
}
