import { appRoleAssignment } from '@postern/protocol/admin/service-principals';
import type { Command } from 'commander';
import { CliError } from '../../cli-error.ts';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findApplication, findPrincipal, findServicePrincipal } from '../../find-object.ts';

export function addAppUnassign(app: Command): void {
  app
    .command('unassign')
    .argument('<application>', 'name or id')
    .argument('<user or group...>', 'names or ids; user:NAME or group:NAME where a name is both')
    .summary('take the use of an application away from users and groups')
    .action(async (nameOrId: string, given: string[], _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const found = await findApplication(admin, nameOrId);
      const principals = await Promise.all(given.map(each => findPrincipal(admin, each)));
      const { id: resourceId } = await findServicePrincipal(admin, found);
      const path = `servicePrincipals/${resourceId}/appRoleAssignedTo`;
      const existing = await admin.list(path, appRoleAssignment);
      for (const principal of principals) {
        const assignment = existing.find(each => each.principalId === principal.id);
        if (assignment === undefined) {
          throw new CliError('notFound', `${principal.name} is not assigned to ${found.displayName}.`, {
            remedy: `\`postern app show ${found.id}\` shows who is.`,
          });
        }
        await admin.send('DELETE', `${path}/${assignment.id}`);
      }
      const left = existing.filter(each => !principals.some(principal => principal.id === each.principalId));
      context.output.result(
        left,
        `${principals.map(each => each.name).join(', ')} may no longer use ${found.displayName}.`,
      );
    });
}
