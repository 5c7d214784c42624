import {
  type AutomaticCertificateDescription,
  automaticCertificate,
  publicCertificate,
} from '@postern/protocol/admin/certificates';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { publishingPath } from '../../find-object.ts';
import { formatTime } from '../../format-time.ts';
import { formatTable } from '../../output.ts';

export function addCertificateList(parent: Command): void {
  parent
    .command('list')
    .summary('list certificates for public names, and how those are that the service gets by itself')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const certificates = await admin.list(`${publishingPath}/certificates`, publicCertificate);
      const automatic = await admin.list(`${publishingPath}/automaticCertificates`, automaticCertificate);
      const open = automatic.filter(({ status }) => status !== 'issued');
      const table =
        certificates.length === 0
          ? 'There is no certificate in the store. `postern certificate upload` adds one.'
          : formatTable(certificates, [
              { title: 'NAMES', value: each => each.names.join(', '), flexible: true },
              { title: 'SOURCE', value: each => each.source },
              { title: 'EXPIRES', value: each => formatTime(each.expirationDateTime) ?? '–' },
              { title: 'ID', value: each => each.id },
            ]);
      context.output.result(
        { certificates, automaticCertificates: automatic },
        [table, ...open.map(describe)].join('\n\n'),
      );
    });
}

function describe({ names, status, error, nextAttemptDateTime }: AutomaticCertificateDescription): string {
  const which = names.join(', ');
  if (status === 'waiting' || error === null) return `– ${which}: not got yet.`;
  const next = formatTime(nextAttemptDateTime);
  return `✖ ${which}: ${error.message}\n    ${error.remedy}${next === null ? '' : `\n    Next attempt: ${next}`}`;
}
