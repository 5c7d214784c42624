import { enrolmentToken } from '@postern/protocol/admin/enrolment-tokens';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { publishingPath } from '../../../find-object.ts';
import { formatTime } from '../../../format-time.ts';

const words = { usable: 'usable', usedUp: 'used up', expired: 'expired', revoked: 'revoked' } as const;

export function addEnrolmentTokenList(parent: Command): void {
  parent
    .command('list')
    .summary('list enrolment tokens, those that work no longer for another 30 days')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const tokens = await admin.list(`${publishingPath}/enrolmentTokens`, enrolmentToken);
      context.output.table(
        tokens,
        tokens,
        [
          { title: 'NAME', value: each => each.displayName ?? '–', flexible: true },
          { title: 'STATUS', value: each => words[each.status] },
          { title: 'USES', value: each => `${each.uses} of ${each.maxUses}` },
          { title: 'EXPIRES', value: each => formatTime(each.expirationDateTime) ?? '–' },
          { title: 'ID', value: each => each.id },
        ],
        'There is no enrolment token. `postern connector enrolment-token create` makes one.',
      );
    });
}
