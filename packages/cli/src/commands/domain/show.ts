import { domain, domainDnsRecord } from '@postern/protocol/admin/domains';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { formatTime } from '../../format-time.ts';
import { formatProperties } from '../../output.ts';
import { domainPath, formatDnsRecords } from '../../show-domain.ts';

export function addDomainShow(parent: Command): void {
  parent
    .command('show')
    .argument('<domain>', 'such as apps.contoso.com')
    .summary('show a custom domain and its DNS records')
    .action(async (name: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const path = domainPath(name);
      const found = await admin.get(path, domain);
      const proof = await admin.list(`${path}/verificationDnsRecords`, domainDnsRecord);
      const service = await admin.list(`${path}/serviceConfigurationRecords`, domainDnsRecord);
      context.output.result(
        { ...found, verificationDnsRecords: proof, serviceConfigurationRecords: service },
        `${formatProperties([
          ['Domain', found.id],
          ['Verified', formatTime(found.verifiedDateTime) ?? 'no'],
          ['Verified by', found.verificationMethod],
          ['Automatic certificates', found.isAutomaticCertificateEnabled ? 'yes' : 'no'],
        ])}\n\nProves that it is yours:\n${formatDnsRecords(proof)}\n\nLeads people here:\n${formatDnsRecords(service)}`,
      );
    });
}
