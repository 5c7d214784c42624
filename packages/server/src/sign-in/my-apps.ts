import type { FastifyInstance, FastifyRequest } from 'fastify';
import { controlHosts, originOf } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { externalUrlOf } from '../directory/published-urls.ts';
import { hostConstraint } from '../pages/host-constraint.ts';
import { pageHeaders } from '../pages/page-headers.ts';
import { listApplicationsOfPerson, type PublishedApplication } from '../store/published-applications.ts';
import { findUser } from '../store/users.ts';
import { sendHtml } from './form-post.ts';
import { renderMyApps, type Tile } from './my-apps-page.ts';
import { issuerOf } from './provider.ts';
import type { SignIn } from './sign-in.ts';

/**
 * Adds My Apps at `portal.<domain>/`. The relay lets only signed-in people through to it, and says who they are in
 * `X-Postern-User-Id`, which it never takes over from a client.
 */
export function registerMyApps(app: FastifyInstance, signIn: SignIn): void {
  const { config, db } = signIn;
  const options = { constraints: hostConstraint(controlHosts(config).portal) };
  app.get('/', options, async (request: FastifyRequest<{ Querystring: { search?: unknown } }>, reply) => {
    const userId = request.headers['x-postern-user-id'];
    const user = typeof userId === 'string' ? await findUser(db, userId) : null;
    if (user?.accountEnabled !== 1) return reply.redirect('/.postern/sign-in?return=%2F', 303);
    const { search } = request.query;
    const page = renderMyApps({
      tiles: (await listApplicationsOfPerson(db, user.id))
        .map(application => tileOf(application, config))
        .sort((one, other) => byName.compare(one.name, other.name)),
      search: typeof search === 'string' ? search.slice(0, 100) : '',
      displayName: user.displayName,
      signOutAction: '/.postern/sign-out',
      domain: config.domain,
    });
    return sendHtml(reply, page, { headers: pageHeaders({ script: true, formAction: [issuerOf(config)] }) });
  });
}

// As people sort, which is not as SQLite does: `intranet` before `Payroll`, `Über` beside `Uber`.
const byName = new Intl.Collator('en', { numeric: true });

function tileOf({ displayName, externalUrl, homePageUrl }: PublishedApplication, config: Config): Tile {
  const { hostname } = new URL(externalUrl);
  const home = homePageUrl === null ? null : URL.parse(homePageUrl);
  // A home page that leads elsewhere than to the application is not ours to send people to.
  const url =
    home?.protocol === 'https:' && home.hostname === hostname
      ? `${originOf(config, hostname)}${home.pathname}${home.search}${home.hash}`
      : externalUrlOf(externalUrl, config);
  return { name: displayName, url, host: hostname };
}
