import type { ApplicationLimits, MaintenanceMode } from '@postern/protocol/admin/publishing-limits';
import type { ApplicationRecord } from '../feed/messages.ts';
import {
  prepareRequestHeaders,
  prepareResponseHeaders,
  type RequestHeaders,
  type ResponseHeaders,
} from '../translation/custom-headers.ts';
import { Networks } from './networks.ts';
import { clientsOf, type RouteClients } from './route-clients.ts';

/** Settings of an application, made ready for the request path. Null: the application does not use it, and pays nothing. */
export interface RouteSettings {
  readonly requestHeaders: RequestHeaders | null;
  readonly responseHeaders: ResponseHeaders | null;
  /** The backend's cookies get HttpOnly. */
  readonly addsHttpOnly: boolean;
  /** The service answers /robots.txt of this host. */
  readonly answersRobotsTxt: boolean;
  /** Null where every number is 0. */
  readonly limits: ApplicationLimits | null;
  /** Null where every address may come in. */
  readonly networks: Networks | null;
  /** How programs say who they are; null where Authorization is no business of the service. */
  readonly clients: RouteClients | null;
  /** Null while it is off. */
  readonly maintenance: MaintenanceMode | null;
  /** Addresses in the fields of answers are turned outwards. */
  readonly translatesAnswers: boolean;
  /** Addresses in the fields of requests are turned inwards, as the host is. */
  readonly translatesRequests: boolean;
  /** Null where links in content are left alone. */
  readonly bodyLinks: BodyLinkSettings | null;
  /** Backends are spoken to in HTTP/2. */
  readonly speaksHttp2: boolean;
}

/** How links in the content of answers are turned outwards. */
export interface BodyLinkSettings {
  readonly jsonLd: boolean;
  /** Internal URLs that are turned outwards in inline scripts; null for none. */
  readonly inlineScriptUrls: ReadonlySet<string> | null;
}

/** Of the service's own pages. */
export const noSettings: RouteSettings = {
  requestHeaders: null,
  responseHeaders: null,
  addsHttpOnly: false,
  answersRobotsTxt: false,
  limits: null,
  networks: null,
  clients: null,
  maintenance: null,
  translatesAnswers: false,
  translatesRequests: false,
  bodyLinks: null,
  speaksHttp2: false,
};

export function settingsOf(application: ApplicationRecord): RouteSettings {
  const { customHeaders, securityHeaders, limits, maintenanceMode } = application;
  return {
    requestHeaders: prepareRequestHeaders(customHeaders),
    responseHeaders: prepareResponseHeaders(customHeaders, securityHeaders),
    addsHttpOnly: application.httpOnlyCookies === true,
    answersRobotsTxt: application.ownRobotsTxt !== true,
    limits: limits !== undefined && hasNumber(limits) ? limits : null,
    networks: networksOf(limits),
    clients: clientsOf(application),
    maintenance: maintenanceMode ?? null,
    translatesAnswers: application.translateAnswers ?? application.translateHostHeader,
    translatesRequests: application.translateHostHeader,
    bodyLinks: bodyLinksOf(application.bodyLinks),
    speaksHttp2: application.backendProtocol !== undefined,
  };
}

function bodyLinksOf(settings: ApplicationRecord['bodyLinks']): BodyLinkSettings | null {
  if (settings === undefined) return null;
  const { jsonLd, inlineScriptUrls } = settings;
  return { jsonLd, inlineScriptUrls: inlineScriptUrls.length === 0 ? null : new Set(inlineScriptUrls) };
}

/** A record stays the same object until it changes, and tables of routes are made anew for every change. */
const knownNetworks = new WeakMap<ApplicationLimits, Networks | null>();

/** The networks of an application; null where every address may come in. */
export function networksOf(limits: ApplicationLimits | undefined): Networks | null {
  if (limits === undefined) return null;
  const known = knownNetworks.get(limits);
  if (known !== undefined) return known;
  const networks = Networks.from(limits);
  knownNetworks.set(limits, networks);
  return networks;
}

function hasNumber(limits: ApplicationLimits): boolean {
  return Object.values(limits).some(value => typeof value === 'number' && value > 0);
}
