import type { Command } from 'commander';
import { describeProof, listCredentials } from '../../../application-credentials.ts';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { findApplication } from '../../../find-object.ts';
import { formatTime } from '../../../format-time.ts';

export function addCredentialList(parent: Command): void {
  parent
    .command('list')
    .argument('<application>', 'name or id')
    .summary('list the credentials of an application; no secret can be shown again')
    .action(async (nameOrId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const { id } = await findApplication(admin, nameOrId);
      const credentials = await listCredentials(admin, id);
      context.output.table(
        credentials,
        credentials,
        [
          { title: 'NAME', value: each => each.displayName ?? '–', flexible: true },
          { title: 'CLIENT ID', value: each => each.clientId },
          { title: 'SECRET', value: describeProof },
          { title: 'EXPIRES', value: each => formatTime(each.endDateTime) ?? '–' },
          { title: 'LAST USED', value: each => formatTime(each.lastUsedDateTime) ?? 'never' },
          { title: 'ID', value: each => each.keyId },
        ],
        'No program has a credential of this application. `postern app credential add` makes one.',
      );
    });
}
