import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../../command-context.ts';
import { publishingPath } from '../../../find-object.ts';

export function addEnrolmentTokenRevoke(parent: Command): void {
  parent
    .command('revoke')
    .argument('<id>', 'id of the enrolment token')
    .summary('take an enrolment token back; connectors that have registered with it stay')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      await admin.send('DELETE', `${publishingPath}/enrolmentTokens/${encodeURIComponent(id)}`);
      context.output.result({ id, revoked: true }, `Revoked the enrolment token ${id}.`);
    });
}
