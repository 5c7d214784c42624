import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { publishingPath } from '../../find-object.ts';

export function addCertificateRenew(parent: Command): void {
  parent
    .command('renew')
    .argument('<name>', 'one of its names')
    .summary('try now to get a certificate by ACME, without waiting for its time')
    .action(async (name: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      await admin.send('POST', `${publishingPath}/automaticCertificates/${encodeURIComponent(name)}/renew`);
      context.output.result(
        { name, isUnderWay: true },
        `Getting a certificate for ${name}; \`postern certificate list\` shows how it went.`,
      );
    });
}
