import type { ApplicationRecord } from '../feed/messages.ts';

/** Where a route's requests go: through a tunnel, or to the control process of this node. */
export type RouteBackend = 'connector' | 'control';

/** One published path at one host, made ready for the request path. */
export interface Route {
  readonly application: ApplicationRecord;
  readonly backend: RouteBackend;
  /** Ids of the users and groups that are assigned. */
  readonly assigned: ReadonlySet<string>;
  /** Begins and ends with `/`. */
  readonly externalPath: string;
  readonly internalPath: string;
  /** Authority for the Host field: internal or external, as the application is set; null keeps the client's. */
  readonly hostField: string | null;
  /** Scheme and authority of the internal URL, as an answer's Location would name it. */
  readonly internalOrigin: string;
  readonly externalOrigin: string;
  /** What the connector dials; a connection made for another one is not reused. */
  readonly backendKey: string;
}

/** The routes of one host, longest path first. */
export interface HostRoutes {
  readonly host: string;
  readonly routes: readonly Route[];
  /** Set where one route covers the whole host: no path need be compared. */
  readonly only: Route | null;
  /** Where `/.postern/` of this host goes. */
  readonly reserved: Route;
}

/** Paths below this one are the service's own at every host (threat B11). */
export const reservedPath = '/.postern/';

export interface RouteTableOptions {
  readonly domain: string;
  /** Authority suffix of public URLs: empty for port 443, else `:8443`. */
  readonly portSuffix: string;
}

/** External host and path → application. Immutable: a change makes a new table, which replaces the old one whole. */
export class RouteTable {
  readonly #hosts = new Map<string, HostRoutes>();

  constructor(applications: Iterable<ApplicationRecord>, options: RouteTableOptions) {
    const byHost = new Map<string, Route[]>();
    const add = (host: string, route: Route) => {
      const routes = byHost.get(host);
      if (routes) routes.push(route);
      else byHost.set(host, [route]);
    };
    for (const application of applications) {
      add(new URL(application.externalUrl).hostname, connectorRoute(application));
    }
    for (const [host, path, preAuthentication] of controlPaths(options.domain)) {
      add(host, controlRoute(host, path, preAuthentication, options));
    }
    for (const [host, routes] of byHost) {
      routes.sort((a, b) => b.externalPath.length - a.externalPath.length);
      const only = routes.length === 1 && routes[0]!.externalPath === '/' ? routes[0]! : null;
      const reserved = controlRoute(host, reservedPath, 'passthrough', options);
      this.#hosts.set(host, { host, routes, only, reserved });
    }
  }

  /** @param host Lower case, without port and trailing dot. */
  findHost(host: string): HostRoutes | undefined {
    return this.#hosts.get(host);
  }

  get hosts(): IterableIterator<string> {
    return this.#hosts.keys();
  }
}

/**
 * The route that serves a path: the longest published path that holds it, segment by segment, so that `/ab` is not under
 * `/a/` (threat B8).
 *
 * @param path The normal form of the request's path.
 */
export function findRoute(host: HostRoutes, path: string): Route | undefined {
  for (const route of host.routes) {
    if (path.startsWith(route.externalPath)) return route;
    // `/app` names what is published as `/app/`; its backend may redirect.
    if (path.length === route.externalPath.length - 1 && route.externalPath.startsWith(path)) return route;
  }
  return undefined;
}

function connectorRoute(application: ApplicationRecord): Route {
  const external = new URL(application.externalUrl);
  const internal = new URL(application.internalUrl);
  const port = internal.port || (internal.protocol === 'https:' ? '443' : '80');
  return {
    application,
    backend: 'connector',
    assigned: new Set([...application.assignedUserIds, ...application.assignedGroupIds]),
    externalPath: external.pathname,
    internalPath: internal.pathname,
    hostField: application.translateHostHeader ? internal.host : external.host,
    internalOrigin: internal.origin,
    externalOrigin: external.origin,
    backendKey: `${internal.protocol}//${internal.hostname}:${port} ${application.validateBackendCertificate}`,
  };
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
    backend: 'control',
    assigned: new Set(),
    externalPath: path,
    internalPath: path,
    hostField: null,
    internalOrigin: 'http://control',
    externalOrigin: origin,
    backendKey: 'control',
  };
}
