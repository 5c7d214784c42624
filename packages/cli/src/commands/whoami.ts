import { type Me, me } from '@postern/protocol/admin/directory';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../command-context.ts';
import { formatProperties } from '../output.ts';

export function addWhoami(program: Command): void {
  program
    .command('whoami')
    .summary('show who is signed in, with which roles, and which role is missing for what')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const person = await admin.get('me', me);
      const missing = missingRole(person);
      context.output.result(
        { service: admin.service.name, ...person, mayRegisterConnectors: missing === null },
        formatProperties([
          ['Service', admin.service.name],
          ['Name', person.userPrincipalName],
          ['Display name', person.displayName],
          ['Mail', person.mail],
          ['Roles', person.roles.join(', ')],
          ...(missing === null ? [] : [['Missing role', missing] as const]),
          ['Id', person.id],
        ]),
      );
    });
}

/** What a person without a role lacks, and who can help; null for everybody else. */
function missingRole({ roles }: Me): string | null {
  if (roles.length > 0) {
    return null;
  }
  return (
    'Application Administrator or Global Administrator, to register connectors and publish applications. ' +
    'A Global Administrator can grant it.'
  );
}
