import { isWildcardHost } from '@postern/protocol/tunnel/wildcard-host';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import { controlHosts, originOf } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { pathStatus } from '../directory/application-status.ts';
import { externalUrlOf } from '../directory/published-urls.ts';
import { storedPublishing } from '../directory/publishing.ts';
import { rolesOf } from '../directory/roles.ts';
import { maxPathOutcomes, type PathOutcome } from '../feed/path-outcomes.ts';
import { hostConstraint } from '../pages/host-constraint.ts';
import { pageHeaders } from '../pages/page-headers.ts';
import { readAllConnectors } from '../store/connectors.ts';
import { listEdgeSessionsOfUser } from '../store/edge-sessions.ts';
import { listApplicationsOfPerson, type PublishedApplication } from '../store/published-applications.ts';
import type { Database } from '../store/schema.ts';
import { findUser } from '../store/users.ts';
import { isHostOf } from './clients.ts';
import { sendHtml } from './form-post.ts';
import { renderMyApps, type Tile } from './my-apps-page.ts';
import { changePasswordPath } from './password-routes.ts';
import { issuerOf } from './provider.ts';
import type { SignIn } from './sign-in.ts';

/** So many are shown as recently used, and only where there are more in all: else they are found at a glance. */
const recentCount = 4;

export interface MyAppsParts {
  /** Whether a connector answers through a tunnel at this moment. */
  readonly isConnectorLive: (connectorId: string) => boolean;
  /** What relays saw last of the way to applications, by application. */
  readonly reportOutcomes: (applicationIds: readonly string[]) => Promise<ReadonlyMap<string, PathOutcome>>;
}

/**
 * Adds My Apps at `portal.<domain>/`. The relay lets only signed-in people through to it, and says who they are in
 * `X-Postern-User-Id`, which it never takes over from a client.
 */
export function registerMyApps(app: FastifyInstance, signIn: SignIn, parts: MyAppsParts): void {
  const { config, db } = signIn;
  const now = () => signIn.now();
  const options = { constraints: hostConstraint(controlHosts(config).portal) };
  app.get('/', options, async (request: FastifyRequest<{ Querystring: { search?: unknown } }>, reply) => {
    const userId = request.headers['x-postern-user-id'];
    const user = typeof userId === 'string' ? await findUser(db, userId) : null;
    if (user?.accountEnabled !== 1) return reply.redirect('/.postern/sign-in?return=%2F', 303);
    const { search } = request.query;
    const liveGroups = await findLiveGroups(db, parts);
    const applications = await listApplicationsOfPerson(db, user.id);
    const outcomes = await parts.reportOutcomes(applications.slice(0, maxPathOutcomes).map(({ id }) => id));
    const isUnreachable = (application: PublishedApplication) => {
      const isGroupLive = liveGroups.has(application.connectorGroupId);
      return (
        pathStatus(application, outcomes.get(application.id), isGroupLive, now()).state === 'unreachable'
      );
    };
    const tiles = applications
      .flatMap(application => tileOf(application, config, !isUnreachable(application)) ?? [])
      .sort((one, other) => byName.compare(one.name, other.name));
    const page = renderMyApps({
      tiles,
      recent: await findRecent(db, user.id, tiles),
      search: typeof search === 'string' ? search.slice(0, 100) : '',
      displayName: user.displayName,
      isAdministrator: (await rolesOf(db, user.id)).length > 0,
      changePasswordUrl: `${issuerOf(config)}${changePasswordPath}`,
      signOutAction: '/.postern/sign-out',
      domain: config.domain,
    });
    return sendHtml(reply, page, { headers: pageHeaders({ script: true, formAction: [issuerOf(config)] }) });
  });
}

// As people sort, which is not as SQLite does: `intranet` before `Payroll`, `Über` beside `Uber`.
const byName = new Intl.Collator('en', { numeric: true });

async function findLiveGroups(db: Kysely<Database>, parts: MyAppsParts): Promise<ReadonlySet<string>> {
  const connectors = await readAllConnectors(db);
  return new Set(connectors.filter(({ id }) => parts.isConnectorLive(id)).map(({ groupId }) => groupId));
}

/** What somebody signed in to last, as long as they are: nothing else of what people do is kept. */
async function findRecent(
  db: Kysely<Database>,
  userId: string,
  tiles: readonly Tile[],
): Promise<readonly Tile[]> {
  if (tiles.length <= recentCount) return [];
  const sessions = await listEdgeSessionsOfUser(db, userId);
  const hosts = new Set(sessions.map(session => session.host).reverse());
  return [...hosts].flatMap(host => tiles.find(tile => tile.host === host) ?? []).slice(0, recentCount);
}

/** The tile of an application; null for a wildcard without a home page, which leads nowhere. */
function tileOf(application: PublishedApplication, config: Config, isReachable: boolean): Tile | null {
  const publishing = storedPublishing(application);
  const { displayName, homePageUrl } = application;
  const externalUrl = publishing?.alternateUrl ?? application.externalUrl;
  const { hostname } = new URL(externalUrl);
  const home = homePageUrl === null ? null : URL.parse(homePageUrl);
  const isInMaintenance = publishing?.maintenanceMode.isEnabled ?? false;
  // A home page that leads elsewhere than to the application is not ours to send people to.
  if (home?.protocol === 'https:' && isHostOf(application, home.hostname)) {
    const url = `${originOf(config, home.hostname)}${home.pathname}${home.search}${home.hash}`;
    return { name: displayName, url, host: home.hostname, isReachable, isInMaintenance };
  }
  if (isWildcardHost(hostname)) return null;
  const url = externalUrlOf(externalUrl, config);
  return { name: displayName, url, host: hostname, isReachable, isInMaintenance };
}
