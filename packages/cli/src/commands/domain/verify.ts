import { domain, domainDnsRecord } from '@postern/protocol/admin/domains';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { domainPath, formatDnsRecords } from '../../show-domain.ts';

export function addDomainVerify(parent: Command): void {
  parent
    .command('verify')
    .argument('<domain>', 'such as apps.contoso.com')
    .summary('prove by its TXT record that a custom domain is yours')
    .action(async (name: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const path = domainPath(name);
      const verified = await admin.post(`${path}/verify`, undefined, domain);
      const records = await admin.list(`${path}/serviceConfigurationRecords`, domainDnsRecord);
      context.output.result(
        { ...verified, serviceConfigurationRecords: records },
        `${verified.id} is verified. These records lead people to the service:\n\n${formatDnsRecords(records)}`,
      );
    });
}
