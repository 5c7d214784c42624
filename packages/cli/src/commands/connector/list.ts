import { type Connector, connector } from '@postern/protocol/admin/connectors';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { publishingPath, withHidden } from '../../find-object.ts';
import { formatAge } from '../../format-time.ts';

export function addConnectorList(parent: Command): void {
  parent
    .command('list')
    .summary('list the connectors of the service')
    .description(
      'Lists the connectors of the service. Those that were not seen for connectors.inactiveAfterDays (10 unless the service says otherwise) are left out.',
    )
    .option('--all', 'with those that were not seen for long')
    .action(async ({ all }: { readonly all?: true }, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const connectors = await admin.list(`${publishingPath}/connectors`, connector, {
        more: all ? withHidden : undefined,
      });
      context.output.table(
        connectors,
        connectors,
        [
          { title: 'MACHINE', value: each => each.machineName, flexible: true },
          { title: 'STATUS', value: each => (each.isDraining ? `${each.status}, drained` : each.status) },
          { title: 'SEEN', value: lastSeen },
          { title: 'VERSION', value: each => each.version, flexible: true },
          { title: 'ADDRESS', value: each => each.externalIp ?? '–' },
          { title: 'ID', value: each => each.id },
        ],
        all
          ? 'No connector is registered. `postern connector register` on a machine of the private network registers one.'
          : 'No connector was seen lately. `postern connector list --all` lists those of old; `postern connector register` on a machine of the private network registers one.',
      );
    });
}

function lastSeen({ status, lastSeenDateTime }: Connector): string {
  if (status === 'active') return 'now';
  return lastSeenDateTime === null ? 'never' : formatAge(lastSeenDateTime, Date.now());
}
