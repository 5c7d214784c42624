import { hash, randomBytes } from 'node:crypto';
import { expandWildcard, isWildcardHost, wildcardLabels } from '@postern/protocol/tunnel/wildcard-host';
import { reservedLabels } from '../config/names.ts';
import type { ApplicationRecord, CorsConfiguration } from '../feed/messages.ts';
import { pathReadings } from '../http1/target.ts';
import { type PublishedAddress, PublishedLinks } from '../translation/published-links.ts';
import { backendKeyOf, backendOf } from '../tunnels/wanted-backends.ts';
import { CorsRules } from './cors.ts';
import { type BackendAddress, RouteBackends } from './route-backends.ts';
import { noSettings, type RouteSettings, settingsOf } from './route-settings.ts';

/** Where a route's requests go: through a tunnel, or to the control process of this node. */
export type RouteBackend = 'connector' | 'control';

/** One published path at one host, made ready for the request path. */
export interface Route extends RouteSettings, BackendAddress {
  readonly application: ApplicationRecord;
  readonly backend: RouteBackend;
  /** Ids of the users and groups that are assigned. */
  readonly assigned: ReadonlySet<string>;
  /** Without port. */
  readonly host: string;
  /** Begins and ends with `/`. */
  readonly externalPath: string;
  /** How many segments it has. */
  readonly externalDepth: number;
  readonly internalPath: string;
  /** Authority for the Host field: internal or external, as the application is set; null keeps the client's. */
  readonly hostField: string | null;
  /** Scheme and authority of the internal URL, as an answer's Location would name it. */
  readonly internalOrigin: string;
  readonly externalOrigin: string;
  /** What clients say who come by this route; another than the external one where that is of an alternate URL. */
  readonly ownOrigin: string;
  /** Whose turn it is; null where the internal URL, which the route names itself, is the only backend. */
  readonly backends: RouteBackends | null;
  /** Each client stays with one connector of the group, and with one backend, while those can serve it. */
  readonly keepsClients: boolean;
  /** Rules for requests of other origins' pages; null where there are none, which leaves all of that to the backend. */
  readonly cors: CorsRules | null;
  /** What our requests to this application's backends carry in CDN-Loop, to be known again; empty for the control process. */
  readonly loopTag: string;
}

/** Paths below this one are the service's own at every host (threat B11). */
export const reservedPath = '/.postern/';

export interface RouteTableOptions {
  readonly domain: string;
  /** Authority suffix of public URLs: empty for port 443, else `:8443`. */
  readonly portSuffix: string;
  /** Tells this relay's requests from all others; a random one where absent. */
  readonly instance?: string;
  /** The table that this one takes the place of: what has not changed is taken over. */
  readonly previous?: RouteTable;
}

/** The routes of one host. */
export class HostRoutes {
  readonly host: string;
  /** Set where one route covers the whole host: no path need be compared. */
  readonly only: Route | null;
  readonly #routes: readonly Route[];
  readonly #options: RouteTableOptions;
  // Most hosts have one route, and are never asked for either of these.
  #paths: Paths | null = null;
  #reserved: Route | null = null;

  constructor(host: string, routes: readonly Route[], options: RouteTableOptions) {
    this.host = host;
    this.only = routes.length === 1 && routes[0]!.externalPath === '/' ? routes[0]! : null;
    this.#routes = routes;
    this.#options = options;
  }

  /** Where `/.postern/` of this host goes. */
  get reserved(): Route {
    this.#reserved ??= controlRoute(this.host, reservedPath, 'passthrough', this.#options);
    return this.#reserved;
  }

  /** Whether a program may present a certificate to an application of this host. */
  get takesCertificates(): boolean {
    return this.#routes.some(({ clients }) => clients !== null && clients.certificates !== null);
  }

  /**
   * The route that serves a path: the longest published path that holds it, segment by segment, so that `/ab` is not
   * under `/a/` (threat B8).
   *
   * @param path In one of the readings of a request's path: decoded, with `/` between its segments.
   */
  find(path: string): Route | undefined {
    const { exact, depth } = this.#index();
    return longest(exact, depth, path);
  }

  /** Likewise for a backend that does not tell upper from lower case. */
  findFolded(path: string): Route | undefined {
    const { folded, depth } = this.#index();
    return longest(folded, depth, foldPath(path));
  }

  #index(): Paths {
    this.#paths ??= pathsOf(this.#routes);
    return this.#paths;
  }
}

/** The routes of a host by their paths. */
interface Paths {
  readonly exact: ReadonlyMap<string, Route>;
  readonly folded: ReadonlyMap<string, Route>;
  /** Segments of the longest one. */
  readonly depth: number;
}

function pathsOf(routes: readonly Route[]): Paths {
  const exact = new Map<string, Route>();
  const folded = new Map<string, Route>();
  let depth = 0;
  for (const route of routes) {
    const path = readingOf(route.externalPath);
    depth = Math.max(depth, route.externalDepth);
    // Of several with one path the first stands: a regular application before a segment.
    if (!exact.has(path)) exact.set(path, route);
    if (!folded.has(foldPath(path))) folded.set(foldPath(path), route);
  }
  return { exact, folded, depth };
}

/** Segments of a path that begins and ends with `/`. */
function depthOf(path: string): number {
  return path.split('/').length - 2;
}

/** A published path as requests are matched with it. */
function readingOf(path: string): string {
  const bytes = Buffer.from(path, 'latin1');
  return pathReadings(bytes, 0, bytes.length).strict;
}

/**
 * As file systems take names that ignore case: by their upper-case letters, without dots and spaces at their ends. Others
 * compare lower-case ones, which are the same of a few more letters: the Kelvin sign and `k`.
 */
function foldPath(path: string): string {
  const upper = path.toLowerCase().toUpperCase();
  const hasEnds = upper.endsWith('.') || upper.includes('./') || upper.includes(' ');
  return hasEnds ? upper.replace(/[. ]+(?=\/|$)/g, '') : upper;
}

function longest(routes: ReadonlyMap<string, Route>, depth: number, path: string): Route | undefined {
  let found: Route | undefined;
  let at = 0;
  for (let segments = 0; segments <= depth; segments++) {
    found = routes.get(path.slice(0, at + 1)) ?? found;
    const next = path.indexOf('/', at + 1);
    if (next < 0) {
      // `/app` names what is published as `/app/`; its backend may redirect.
      return at + 1 < path.length ? (routes.get(`${path}/`) ?? found) : found;
    }
    at = next;
  }
  return found;
}

/** What an application contributes. */
interface Published {
  /** At hosts that can be named: of a wildcard those of its segments. */
  readonly routes: readonly Route[];
  /** What follows `*.`; null where it is none. */
  readonly wildcard: string | null;
}

/** What stands behind a wildcard: an application for every host, or one of which only segments are published. */
interface Wildcard {
  readonly application: ApplicationRecord;
  readonly hasSegments: boolean;
}

/** Hosts under wildcards that are kept ready; whoever asks for more makes the table forget, not grow. */
const maxMadeHosts = 1_000;

/**
 * External host and path → application. Immutable but for what it remembers of hosts under wildcards: a change makes a new
 * table, which replaces the old one whole.
 *
 * A host of its own beats a wildcard, and a longer wildcard a shorter one, whatever their paths: a host belongs to the
 * first that names it, so that taking something out of a wildcard is publishing it by itself.
 */
export class RouteTable {
  readonly #options: RouteTableOptions;
  readonly #instance: string;
  readonly #hosts = new Map<string, HostRoutes>();
  /** By what follows `*.`. */
  readonly #wildcards = new Map<string, Wildcard>();
  readonly #made = new Map<string, HostRoutes>();
  readonly #published = new Map<ApplicationRecord, Published>();
  /** What is published, by its addresses. */
  readonly links = new PublishedLinks(this.#addresses());

  constructor(applications: Iterable<ApplicationRecord>, options: RouteTableOptions) {
    const { previous = null } = options;
    this.#options = { domain: options.domain, portSuffix: options.portSuffix };
    this.#instance =
      options.instance ??
      (previous === null ? null : previous.#instance) ??
      randomBytes(9).toString('base64url');
    const byHost = new Map<string, Route[]>();
    const segments: Route[] = [];
    for (const application of applications) {
      const known = previous === null ? undefined : previous.#published.get(application);
      const published = known ?? this.#publish(application);
      this.#published.set(application, published);
      if (published.wildcard === null) {
        for (const route of published.routes) addTo(byHost, route);
      } else {
        const hasSegments = application.segments !== undefined;
        this.#wildcards.set(published.wildcard, { application, hasSegments });
        segments.push(...published.routes);
      }
    }
    for (const route of segments) addTo(byHost, route);
    for (const [host, path, preAuthentication] of controlPaths(options.domain)) {
      const route = controlRoute(host, path, preAuthentication, options);
      // Nothing that is published takes the service's own names.
      const routes = byHost.get(host)?.filter(one => one.backend === 'control') ?? [];
      byHost.set(host, [...routes, route]);
    }
    for (const [host, routes] of byHost) {
      const known = previous === null ? undefined : previous.#hosts.get(host);
      const isSame = routes.length === 1 && known !== undefined && known.only === routes[0];
      this.#hosts.set(host, isSame ? known : new HostRoutes(host, routes, this.#options));
    }
  }

  /** @param host Lower case, without port and trailing dot. */
  findHost(host: string): HostRoutes | undefined {
    const known = this.#hosts.get(host);
    if (known !== undefined || this.#wildcards.size === 0) return known;
    return this.#made.get(host) ?? this.#findWildcard(host);
  }

  /** Hosts, and wildcards such as `*.apps.example.com`, that need a certificate. */
  *hosts(): Generator<string> {
    yield* this.#hosts.keys();
    for (const [suffix, { hasSegments }] of this.#wildcards) if (!hasSegments) yield `*.${suffix}`;
  }

  /** A route to each published internal URL whose application wants probes of its backends. */
  *probed(): Generator<Route> {
    for (const application of this.#published.keys()) {
      if (application.healthProbe !== undefined && application.enabled) yield* this.routesTo(application);
    }
  }

  /** A route to each published internal URL of an application; none to those of a wildcard, which are without number. */
  routesTo(application: ApplicationRecord): Iterable<Route> {
    const { routes = [] } = this.#published.get(application) ?? {};
    return new Map(routes.map(route => [route.backendId, route])).values();
  }

  #findWildcard(host: string): HostRoutes | undefined {
    for (let dot = host.indexOf('.'); dot > 0; dot = host.indexOf('.', dot + 1)) {
      const wildcard = this.#wildcards.get(host.slice(dot + 1));
      if (wildcard === undefined) continue;
      if (wildcard.hasSegments || this.#isOwnName(host)) return undefined;
      const route = this.#wildcardRoute(wildcard.application, host);
      if (route === null) return undefined;
      const routes = new HostRoutes(host, [route], this.#options);
      if (this.#made.size >= maxMadeHosts) this.#made.clear();
      this.#made.set(host, routes);
      return routes;
    }
    return undefined;
  }

  *#addresses(): Generator<PublishedAddress> {
    yield* this.#internalUrls();
    // After those that it must not take the place of inside: an alternate URL that answers do not name.
    for (const { routes } of this.#published.values()) {
      for (const route of routes) {
        if (route.ownOrigin !== route.externalOrigin) yield { ...route, externalOrigin: route.ownOrigin };
      }
    }
    // After all internal URLs: a backend may be another application's internal URL, too.
    for (const { routes } of this.#published.values()) {
      const [first] = routes;
      for (const { origin } of first?.backends?.all ?? []) yield { ...first!, internalOrigin: origin };
    }
  }

  *#internalUrls(): Generator<PublishedAddress> {
    for (const [application, { routes }] of this.#published) {
      yield* routes;
      const external = new URL(application.externalUrl);
      if (!isWildcardHost(external.hostname) || application.segments !== undefined) continue;
      const internal = new URL(application.internalUrl);
      yield {
        internalOrigin: internal.origin,
        internalPath: internal.pathname,
        externalOrigin: external.origin,
        externalPath: external.pathname,
      };
    }
  }

  /** Names under those of the service are the service's, too. */
  #isOwnName(host: string): boolean {
    const suffix = `.${this.#options.domain}`;
    if (!host.endsWith(suffix)) return false;
    return reservedLabels.has(host.slice(0, -suffix.length).split('.').pop()!);
  }

  #publish(application: ApplicationRecord): Published {
    const loopTag = this.#loopTagOf(application);
    const external = new URL(application.externalUrl);
    if (isWildcardHost(external.hostname)) {
      const routes = (application.segments ?? []).map(({ id, externalUrl, internalUrl, cors }) =>
        connectorRoute(application, {
          external: new URL(externalUrl),
          internal: new URL(internalUrl),
          backendId: `${application.id}/${id}`,
          cors,
          loopTag,
        }),
      );
      return { routes, wildcard: external.hostname.slice(2) };
    }
    const common = {
      internal: new URL(application.internalUrl),
      backendId: application.id,
      backends: RouteBackends.of(application),
      cors: application.cors,
      loopTag,
    };
    const routes = [connectorRoute(application, { ...common, external })];
    if (application.alternateUrl !== undefined) {
      const { url, isKept } = application.alternateUrl;
      const alternate = connectorRoute(application, { ...common, external: new URL(url) });
      routes.push(isKept ? alternate : { ...alternate, externalOrigin: external.origin });
    }
    return { routes, wildcard: null };
  }

  #wildcardRoute(application: ApplicationRecord, host: string): Route | null {
    const external = new URL(application.externalUrl);
    const internal = new URL(application.internalUrl);
    const labels = wildcardLabels(external.hostname, host);
    const dialHost = labels === null ? null : expandWildcard(internal.hostname, labels);
    if (dialHost === null) return null;
    const backendKey = keyOf(internal, application);
    external.hostname = host;
    internal.hostname = dialHost;
    return {
      ...connectorRoute(application, {
        external,
        internal,
        backendId: application.id,
        cors: application.cors,
        loopTag: this.#loopTagOf(application),
      }),
      backendKey,
      dialHost,
      pool: `${application.id} ${dialHost}`,
    };
  }

  /** Says nothing to whoever sees it, and nobody can make it up for another application. */
  #loopTagOf({ id }: ApplicationRecord): string {
    return hash('sha256', `${this.#instance} ${id}`, 'base64url').slice(0, 16);
  }
}

function addTo(byHost: Map<string, Route[]>, route: Route): void {
  const routes = byHost.get(route.host);
  if (routes) routes.push(route);
  else byHost.set(route.host, [route]);
}

interface RouteParts {
  readonly external: URL;
  readonly internal: URL;
  readonly backendId: string;
  readonly backends?: RouteBackends | null;
  readonly cors: readonly CorsConfiguration[] | undefined;
  readonly loopTag: string;
}

function connectorRoute(application: ApplicationRecord, parts: RouteParts): Route {
  const { external, internal, backendId, backends = null, cors, loopTag } = parts;
  return {
    application,
    backend: 'connector',
    assigned: assignedTo(application),
    host: external.hostname,
    externalPath: external.pathname,
    externalDepth: depthOf(external.pathname),
    internalPath: internal.pathname,
    hostField: application.translateHostHeader ? internal.host : external.host,
    internalOrigin: internal.origin,
    externalOrigin: external.origin,
    ownOrigin: external.origin,
    backendId,
    backendKey: keyOf(internal, application),
    dialHost: null,
    pool: backendId,
    backends,
    keepsClients: application.keepsClients === true,
    cors: cors === undefined ? null : new CorsRules(cors, readingOf(external.pathname)),
    ...settingsOf(application),
    loopTag,
  };
}

const nobody: ReadonlySet<string> = new Set();

function assignedTo({ assignedUserIds, assignedGroupIds }: ApplicationRecord): ReadonlySet<string> {
  if (assignedUserIds.length + assignedGroupIds.length === 0) return nobody;
  return new Set([...assignedUserIds, ...assignedGroupIds]);
}

/** As tunnels name what their connector was configured to dial. */
function keyOf(internal: URL, application: ApplicationRecord): string {
  return backendKeyOf(backendOf(application, application.id, internal));
}

/** The control process's names are routes like all others, so that no second, weaker door exists. */
function* controlPaths(domain: string): Generator<[string, string, ApplicationRecord['preAuthentication']]> {
  yield [`login.${domain}`, '/', 'passthrough'];
  yield [`connect.${domain}`, '/', 'passthrough'];
  yield [`portcheck.${domain}`, '/', 'passthrough'];
  yield [`portal.${domain}`, '/api/', 'passthrough'];
  yield [`portal.${domain}`, '/', 'preAuthenticated'];
}

function controlRoute(
  host: string,
  path: string,
  preAuthentication: ApplicationRecord['preAuthentication'],
  options: RouteTableOptions,
): Route {
  const origin = `https://${host}${options.portSuffix}`;
  return {
    application: {
      id: `control:${host}${path}`,
      displayName: host.startsWith('portal.') ? 'My Apps' : 'Postern',
      externalUrl: `${origin}${path}`,
      internalUrl: `http://control${path}`,
      preAuthentication,
      connectorGroupId: '',
      assignmentRequired: false,
      assignedUserIds: [],
      assignedGroupIds: [],
      backendTimeoutMs: 30_000,
      translateHostHeader: false,
      validateBackendCertificate: true,
      enabled: true,
    },
    ...noSettings,
    backend: 'control',
    assigned: new Set(),
    host,
    externalPath: path,
    externalDepth: depthOf(path),
    internalPath: path,
    hostField: null,
    internalOrigin: 'http://control',
    externalOrigin: origin,
    ownOrigin: origin,
    backendId: 'control',
    backendKey: 'control',
    dialHost: null,
    pool: 'control',
    backends: null,
    keepsClients: false,
    cors: null,
    loopTag: '',
  };
}
