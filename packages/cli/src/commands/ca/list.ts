import { certificateAuthority } from '@postern/protocol/admin/certificate-authorities';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { publishingPath } from '../../find-object.ts';
import { authorityTable } from '../../show-authorities.ts';

export function addCaList(parent: Command): void {
  parent
    .command('list')
    .summary('list the authorities that connectors and the service trust')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const authorities = await admin.list(`${publishingPath}/certificateAuthorities`, certificateAuthority);
      context.output.result(authorities, authorityTable(authorities));
    });
}
