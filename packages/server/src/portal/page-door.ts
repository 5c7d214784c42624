import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AdminError } from '../admin/admin-error.ts';
import { callerFor } from '../admin/authorize.ts';
import type { AdminApiParts } from '../admin/parts.ts';
import { registerDoor, rolesOfActiveUser } from '../admin/register.ts';
import { isFromOwnPage } from '../sign-in/form-post.ts';

/**
 * Adds the admin API below `/admin/api`, for the pages of the Admin center. The relay lets only signed-in people through
 * to it, like to every pre-authenticated application, and says who they are in `X-Postern-User-Id`, which it never takes
 * over from a client. No token is ever given to a script (docs/decisions/0011).
 */
export async function registerPageDoor(app: FastifyInstance, parts: AdminApiParts): Promise<void> {
  await registerDoor(app, parts, {
    prefix: '/admin/api',
    versions: ['v1.0'],
    authorize: async (request, access) =>
      callerFor(requireSignedIn(request, parts.portalOrigin), access, {
        rolesOfActiveUser: userId => rolesOfActiveUser(parts, userId),
      }),
  });
}

/**
 * The session comes with every request that a browser sends here, also from pages of the applications beside us: those are
 * of the same site, so that SameSite holds none of them off. Two things that such a page cannot forge tell our own apart:
 * where the browser says that the request comes from, and a field that scripts of other origins may send only after a
 * preflight, which nobody here answers (threat F1).
 */
function requireSignedIn(request: FastifyRequest, portalOrigin: string): string {
  if (!isFromOwnPage(request, portalOrigin) || request.headers['postern-admin-center'] !== '1') {
    throw new AdminError(
      'Authorization_RequestDenied',
      'Only pages of the Admin center may use this address. Programs use /api with an access token.',
    );
  }
  const userId = request.headers['x-postern-user-id'];
  if (typeof userId !== 'string') {
    throw new AdminError('InvalidAuthenticationToken', 'Nobody is signed in.');
  }
  return userId;
}
