import { domain, domainDnsRecord } from '@postern/protocol/admin/domains';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { formatDnsRecords } from '../../show-domain.ts';

interface AddOptions {
  readonly automaticCertificates: boolean;
}

export function addDomainAdd(parent: Command): void {
  parent
    .command('add')
    .argument('<domain>', 'such as apps.contoso.com')
    .summary('add a custom domain, and say which DNS record proves that it is yours')
    .description(
      'Adds a custom domain. Applications can be published at it and at names under it once it has been verified.',
    )
    .option('--no-automatic-certificates', 'get no certificates by ACME for names under it')
    .action(async (name: string, options: AddOptions, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const added = await admin.post(
        'domains',
        { id: name, isAutomaticCertificateEnabled: options.automaticCertificates },
        domain,
      );
      const records = await admin.list(`domains/${added.id}/verificationDnsRecords`, domainDnsRecord);
      context.output.result(
        { ...added, verificationDnsRecords: records },
        added.isVerified
          ? `Added ${added.id}. It is verified, as the domain above it is.`
          : `Added ${added.id}. Create this record at its name servers:\n\n${formatDnsRecords(records)}\n\n` +
              `then run: postern domain verify ${added.id}`,
      );
    });
}
