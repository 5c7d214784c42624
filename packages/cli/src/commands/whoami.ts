import { me } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../command-context.ts';
import { formatProperties } from '../output.ts';

export function addWhoami(program: Command): void {
  program
    .command('whoami')
    .summary('show who is signed in, and with which roles')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const person = await admin.get('me', me);
      context.output.result(
        { service: admin.service.name, ...person },
        formatProperties([
          ['Service', admin.service.name],
          ['Name', person.userPrincipalName],
          ['Display name', person.displayName],
          ['Mail', person.mail],
          ['Roles', person.roles.join(', ')],
          ['Id', person.id],
        ]),
      );
    });
}
