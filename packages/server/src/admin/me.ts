import { me } from '@postern/protocol/admin/directory';
import { rolesOf } from '../directory/roles.ts';
import { requireUser } from '../directory/users.ts';
import { callerOf } from './authorize.ts';
import type { AdminApp, ResourceParts } from './parts.ts';

export function addMe(app: AdminApp, { directory }: ResourceParts): void {
  app.get(
    '/me',
    { schema: { summary: 'Show who is signed in', tags: ['me'], response: { 200: me } } },
    async request => {
      const { userId } = callerOf(request);
      const user = await requireUser(directory.db, userId);
      const { id, userPrincipalName, displayName, mail } = user;
      return { id, userPrincipalName, displayName, mail, roles: await rolesOf(directory.db, userId) };
    },
  );
}
