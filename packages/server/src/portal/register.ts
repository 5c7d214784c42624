import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { controlHosts, plainHttpPort } from '../config/names.ts';
import { hostConstraint } from '../pages/host-constraint.ts';
import { pageHeaders } from '../pages/page-headers.ts';
import { sendHtml } from '../sign-in/form-post.ts';
import { issuerOf } from '../sign-in/provider.ts';
import type { SignIn } from '../sign-in/sign-in.ts';
import { findUser } from '../store/users.ts';
import { adminPageHeaders, assetPrefix, renderAdminPage, renderNotBuilt } from './admin-page.ts';
import { findPortalFiles, type PortalFiles } from './portal-files.ts';

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
};

/**
 * Adds the pages of the Admin center at `portal.<domain>/admin`. Like My Apps it is reached by signed-in people alone;
 * what each of them may see and do is the admin API's question, and a person without a role is told which one is missing.
 *
 * @param files What was built; null answers with how to build it.
 */
export function registerPortal(
  app: FastifyInstance,
  signIn: Pick<SignIn, 'config' | 'db'>,
  files: PortalFiles | null = findPortalFiles(),
): void {
  const { config, db } = signIn;
  const options = { constraints: hostConstraint(controlHosts(config).portal) };

  const sendPage = async (request: FastifyRequest, reply: FastifyReply) => {
    const userId = request.headers['x-postern-user-id'];
    const user = typeof userId === 'string' ? await findUser(db, userId) : null;
    if (user?.accountEnabled !== 1) {
      return reply.redirect(`/.postern/sign-in?return=${encodeURIComponent(request.url)}`, 303);
    }
    if (files === null) return sendHtml(reply, renderNotBuilt(), { status: 503, headers: pageHeaders() });
    const nonce = randomBytes(16).toString('base64');
    return sendHtml(reply, renderAdminPage(files, nonce, plainHttpPort(config)), {
      headers: adminPageHeaders(nonce, [issuerOf(config)]),
    });
  };
  app.get('/admin', options, sendPage);
  app.get('/admin/*', options, sendPage);

  app.get(
    `${assetPrefix}:name`,
    options,
    async (request: FastifyRequest<{ Params: { name: string } }>, reply) => {
      const { name } = request.params;
      // Only what the build has written down is read: no name can lead out of the folder.
      if (!files?.names.has(name)) return reply.callNotFound();
      const isCompressed = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
      const content = await readFile(path.join(files.folder, isCompressed ? `${name}.gz` : name));
      return reply
        .headers({
          'content-type': types[path.extname(name)] ?? 'application/octet-stream',
          'cache-control': 'private, max-age=31536000, immutable',
          'x-content-type-options': 'nosniff',
          'cross-origin-resource-policy': 'same-origin',
          vary: 'accept-encoding',
          ...(isCompressed && { 'content-encoding': 'gzip' }),
        })
        .send(content);
    },
  );
}
