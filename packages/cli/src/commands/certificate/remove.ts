import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { publishingPath } from '../../find-object.ts';

export function addCertificateRemove(parent: Command): void {
  parent
    .command('remove')
    .argument('<id>', 'id of the certificate, as `postern certificate list` shows it')
    .summary('delete a certificate with its private key')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      await admin.send('DELETE', `${publishingPath}/certificates/${encodeURIComponent(id)}`);
      context.output.result({ id, removed: true }, `Removed the certificate ${id}.`);
    });
}
