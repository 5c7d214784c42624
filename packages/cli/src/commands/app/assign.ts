import { appRoleAssignment } from '@postern/protocol/admin/service-principals';
import type { Command } from 'commander';
import { connectAdmin, contextOf } from '../../command-context.ts';
import { findApplication, findPrincipal, findServicePrincipal } from '../../find-object.ts';

export function addAppAssign(app: Command): void {
  app
    .command('assign')
    .argument('<application>', 'name or id')
    .argument('<user or group...>', 'names or ids; user:NAME or group:NAME where a name is both')
    .summary('let users and groups use an application')
    .action(async (nameOrId: string, given: string[], _options: unknown, command: Command) => {
      const context = contextOf(command);
      const admin = await connectAdmin(context);
      const found = await findApplication(admin, nameOrId);
      const principals = await Promise.all(given.map(each => findPrincipal(admin, each)));
      const { id: resourceId } = await findServicePrincipal(admin, found);
      const path = `servicePrincipals/${resourceId}/appRoleAssignedTo`;
      const existing = new Set((await admin.list(path, appRoleAssignment)).map(each => each.principalId));
      for (const { id: principalId } of principals.filter(each => !existing.has(each.id))) {
        await admin.post(path, { principalId, resourceId }, appRoleAssignment);
      }
      const assignments = await admin.list(path, appRoleAssignment);
      context.output.result(
        assignments,
        `${principals.map(each => each.name).join(', ')} may use ${found.displayName}.`,
      );
    });
}
