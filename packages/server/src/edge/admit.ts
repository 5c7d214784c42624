import type { Preflight, PreflightAnswer } from '@postern/protocol/admin/preflight';
import { clientAuthenticationDefault } from '@postern/protocol/admin/publishing-clients';
import type { MaintenanceMode } from '@postern/protocol/admin/publishing-limits';
import type { ApplicationRecord, SessionRecord } from '../feed/messages.ts';
import { hashCookie, type RelayState, type Session } from '../feed/relay-state.ts';
import { Http1Error } from '../http1/error.ts';
import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import { checkTarget, parseHost, RequestTarget } from '../http1/target.ts';
import { type Decision, decide, decideForProgram } from '../policy/decide.ts';
import type { CorsGrant } from '../routes/cors.ts';
import { networksOf } from '../routes/route-settings.ts';
import type { HostRoutes, Route, RouteTable } from '../routes/route-table.ts';
import { readSessionCookie } from '../translation/session-cookie.ts';
import { type CertificateFacts, certifiedClient } from './client-certificate.ts';
import {
  type ClientCheckParts,
  type ClientProblem,
  checkClient,
  isOurs,
  type Presented,
  type PresentedBefore,
  type PresentedToken,
  readPresented,
  tokenHost,
} from './client-credentials.ts';
import type { Exchange } from './exchange.ts';
import type { FailureCode } from './failure.ts';
import type { Client, Protection } from './protection.ts';
import { pathsOf, routeOf, targetFor } from './request-path.ts';

/** What admission needs of the relay. */
export interface AdmitParts {
  readonly state: RelayState;
  readonly routes: () => RouteTable;
  readonly protection: Protection;
  /** Milliseconds since the control process was last heard; 0 while it is connected. */
  readonly silentForMs: () => number;
  readonly feedGraceMs: number;
  /** Asks the control process for a session that the state lacks; the state has it afterwards, if there is one. */
  readonly findSession: (idHash: string, host: string) => Promise<SessionRecord | null>;
  readonly clients: ClientCheckParts;
}

/** What is known of a connection before any request on it, and what was looked up for the last one. */
export interface ConnectionFacts {
  /** Whether the certificate that this connection was made with is also good for another host. */
  readonly covers: (host: string) => boolean;
  /** Null on a connection of a trusted proxy: TLS says nothing of the clients there. */
  readonly certified: CertificateFacts | null;
  /** The Host of the last request on this connection, as sent, and what it meant. */
  lastHost: { readonly sent: string; readonly table: RouteTable; readonly host: HostRoutes } | null;
  /** The session cookie of the last request on this connection, good while the client's fields repeat. */
  lastCookie: { readonly fieldsVersion: number; readonly value: string | null } | null;
  /** What the last request with an Authorization field said there. */
  lastPresented: PresentedBefore | null;
}

/** The outcome of admission; the only way to a backend is `allow`. */
export type Admission =
  | {
      readonly kind: 'allow';
      readonly route: Route;
      readonly session: Session | null;
      /** What to send instead of the client's target; null keeps it. */
      readonly target: string | null;
    }
  /**
   * Nobody is signed in. A navigation is sent to sign in; everything else is told so with 401, and so is whoever presented
   * something wrong.
   */
  | {
      readonly kind: 'sign-in';
      readonly host: HostRoutes;
      readonly route: Route;
      readonly problem: ClientProblem | null;
    }
  /** An access token that was not seen before; verify it, remember what came of it, then admit again. */
  | { readonly kind: 'verify'; readonly bearer: PresentedToken }
  /** A cookie that only the control process may know; ask it, then admit again. */
  | { readonly kind: 'ask'; readonly idHash: string; readonly host: string }
  /** A browser asks whether a page of another origin may send a request; the service answers by the route's rules. */
  | { readonly kind: 'preflight'; readonly route: Route; readonly answer: PreflightAnswer }
  /** A program asks what an application takes in place of a sign-in. */
  | { readonly kind: 'resource-metadata'; readonly route: Route; readonly issuer: string }
  /** The service answers this one: /robots.txt. */
  | { readonly kind: 'robots'; readonly host: string }
  | {
      readonly kind: 'refuse';
      readonly code: FailureCode;
      readonly route: Route | null;
      readonly retryAfterSeconds?: number;
    };

const target = new RequestTarget();
const robotsPath = Buffer.from('/robots.txt', 'latin1');
/** Where programs find what an application takes (RFC 9728 §3.1). */
export const resourceMetadataPath = '/.well-known/oauth-protected-resource';
const metadataPath = Buffer.from(resourceMetadataPath, 'latin1');
const dot = 0x2e;
const slash = 0x2f;

/**
 * Decides about one request, upgrade or HTTP/2 stream: route → session → policy. There is no second door: everything that
 * reaches a backend, the control process included, has come through here.
 *
 * @param hasAsked The control process has been asked about this cookie and did not know it.
 * @throws Http1Error for a target or host that cannot be read in one way only.
 */
export function admit(
  head: MessageHead,
  facts: ConnectionFacts,
  client: Client,
  parts: AdmitParts,
  hasAsked: boolean,
): Admission {
  const host = findHost(head, facts, parts);
  if (typeof host === 'string') return { kind: 'refuse', code: host, route: null };
  checkTarget(head, target);
  const route = routeOf(head, target, host);
  if (asksForRobotsTxt(head) && route?.answersRobotsTxt !== false) return { kind: 'robots', host: host.host };
  if (asksForMetadata(head)) {
    const described = describedRoute(head, host);
    const issuer = parts.state.tokenTrust?.issuer;
    if (described !== null && issuer !== undefined) {
      return { kind: 'resource-metadata', route: described, issuer };
    }
  }
  if (route === undefined) return { kind: 'refuse', code: 'not_found', route: null };

  if (route.loopTag !== '' && head.find(fieldIds.cdnLoop) >= 0 && hasBeenHere(head, route)) {
    return { kind: 'refuse', code: 'loop_detected', route };
  }

  const { application, networks, maintenance } = route;
  if (networks !== null && !parts.protection.admitsTo(networks, client)) {
    return { kind: 'refuse', code: 'address_not_allowed', route };
  }
  // Where somebody is excepted, who asks has to be known first.
  if (maintenance !== null && (maintenance.exceptPrincipalIds.length === 0 || isPassthrough(application))) {
    return { kind: 'refuse', code: 'maintenance', route };
  }
  // Before anybody is asked to sign in: browsers send no cookies with it (Fetch §4.8).
  if (route.cors !== null && application.enabled) {
    const preflight = readPreflight(head);
    if (preflight !== null) {
      return {
        kind: 'preflight',
        route,
        answer: route.cors.answerPreflight(preflight, pathsOf(head, target)),
      };
    }
  }
  if (isPassthrough(application)) {
    const decision = decide(application, route.assigned, null);
    if (!decision.allowed) return { kind: 'refuse', code: 'application_disabled', route };
    return { kind: 'allow', route, session: null, target: targetFor(head, target, route) };
  }
  if (parts.silentForMs() > parts.feedGraceMs) return { kind: 'refuse', code: 'state_stale', route };
  const { clients } = route;
  if (clients !== null && head.find(fieldIds.authorization) >= 0) {
    const presented = presentedBy(head, facts, parts);
    const check = checkClient(presented, application.id, clients, client.key, parts.clients);
    switch (check.kind) {
      case 'known':
        return admitAs(check.session, head, host, route);
      case 'verify':
        return check;
      case 'wrong':
        return { kind: 'sign-in', host, route, problem: check.what };
      case 'blocked': {
        const { waitSeconds: retryAfterSeconds } = check;
        return { kind: 'refuse', code: 'too_many_failures', route, retryAfterSeconds };
      }
      case 'foreign':
      // It may be the backend's own; the cookie says who asks.
    }
  }
  const cookie = cookieOf(head, facts);
  if (cookie === null) return admitCertified(head, facts, host, route, parts);
  const session = parts.state.findSession(cookie, host.host);
  if (session === undefined) {
    if (hasAsked) return admitCertified(head, facts, host, route, parts);
    return { kind: 'ask', idHash: hashCookie(cookie), host: host.host };
  }
  return admitAs(session, head, host, route);
}

/** Decides about a request that itself says nothing of who sends it; its connection may. */
function admitCertified(
  head: MessageHead,
  { certified }: ConnectionFacts,
  host: HostRoutes,
  route: Route,
  { clients }: AdmitParts,
): Admission {
  const session = certifiedClient(head, host.host, route.clients, certified, clients);
  if (session === null) return { kind: 'sign-in', host, route, problem: null };
  if (session === 'misdirected') return { kind: 'refuse', code: 'misdirected', route };
  return admitAs(session, head, host, route);
}

/** Decides about a request of which is known who sends it. */
function admitAs(session: Session, head: MessageHead, host: HostRoutes, route: Route): Admission {
  const { application, maintenance, assigned } = route;
  if (session.record.expiresAt <= Date.now()) return { kind: 'sign-in', host, route, problem: null };
  const decision = decideAbout(session, application, assigned);
  if (decision.allowed) {
    if (maintenance !== null && !isExcepted(maintenance, session)) {
      return { kind: 'refuse', code: 'maintenance', route };
    }
    return { kind: 'allow', route, session, target: targetFor(head, target, route) };
  }
  if (decision.reason === 'user_disabled' || decision.reason === 'credential_ended') {
    return { kind: 'sign-in', host, route, problem: null };
  }
  return {
    kind: 'refuse',
    code: decision.reason === 'not_assigned' ? 'not_allowed' : 'application_disabled',
    route,
  };
}

/** Whether the Authorization field of a request was made for the service, so that the backend does not get it. */
export function keepsAuthorization(
  head: MessageHead,
  facts: ConnectionFacts,
  { clients }: Route,
  parts: AdmitParts,
): boolean {
  if (clients === null) return false;
  const presented = presentedBy(head, facts, parts);
  if (presented?.kind === 'bearer' && !presented.isInBasic && clients.isTokenPassedOn) return false;
  return isOurs(presented, clients);
}

function decideAbout(
  { credential, user }: Session,
  application: ApplicationRecord,
  assigned: ReadonlySet<string>,
): Decision {
  if (credential === null) return decide(application, assigned, user);
  return decideForProgram(application, credential, Date.now());
}

/**
 * Whether an exchange that is under way would still be let in. Maintenance, and removal of the application, let requests
 * finish and end upgrades, which have no end of their own.
 */
export function isStillAllowed(exchange: Exchange, parts: AdmitParts): boolean {
  const { route, status } = exchange;
  const current = publishedApplication(route, parts.state);
  if (current === undefined) return status !== 101 && isAllowed(route.application, exchange, parts);
  return isAllowed(current, exchange, parts);
}

/**
 * The application behind a route as it is now, perhaps published otherwise than when the route was made; undefined where
 * what the route leads to is not published any more.
 */
export function publishedApplication(
  route: Route,
  { applications }: RelayState,
): ApplicationRecord | undefined {
  const { application, backendId } = route;
  if (route.backend === 'control') return application;
  const current = applications.get(application.id);
  if (current?.segments === undefined) return backendId === application.id ? current : undefined;
  return current.segments.some(one => `${current.id}/${one.id}` === backendId) ? current : undefined;
}

function isAllowed(current: ApplicationRecord, exchange: Exchange, parts: AdmitParts): boolean {
  const { session } = exchange;
  if (!current.enabled) return false;
  if (networksOf(current.limits)?.admits(exchange.clientAddress) === false) return false;
  const maintenance = current.maintenanceMode;
  if (maintenance !== undefined && exchange.status === 101 && !isExcepted(maintenance, session)) return false;
  if (current.preAuthentication === 'passthrough') return true;
  if (session === null) return false;
  if (!takesWay(session, current)) return false;
  if (session.credential !== null) return decideAbout(session, current, nobody).allowed;
  const live = session.ended ? parts.state.currentSession(session.record.id) : session;
  if (live === undefined) return false;
  // Few exchanges are open when records change, so the set is made here rather than kept.
  const assigned = new Set([...current.assignedUserIds, ...current.assignedGroupIds]);
  return decide(current, assigned, live.user).allowed;
}

/** Whether the application still takes what the client said who it is with. Of a secret that came as a token nobody knows. */
function takesWay({ credential, record }: Session, { id, clientAuthentication }: ApplicationRecord): boolean {
  const { isBearerAllowed, isBasicAllowed } = clientAuthentication ?? clientAuthenticationDefault;
  if (record.host === tokenHost(id)) return isBearerAllowed;
  if (credential === null || credential.certificateSha256 !== undefined) return true;
  return isBearerAllowed || isBasicAllowed;
}

/**
 * What the rules of an application say to the origin of the request that was admitted last; null where it has none.
 *
 * @param head Of that request.
 */
export function corsGrant(head: MessageHead, { cors }: Route): CorsGrant | null {
  if (cors === null) return null;
  const index = head.find(fieldIds.origin);
  return cors.grant(index < 0 ? null : head.valueOf(index), pathsOf(head, target));
}

/** Whether one of our own requests to this application comes back to us. Nobody else knows the tag. */
function hasBeenHere(head: MessageHead, { loopTag }: Route): boolean {
  for (let at = head.find(fieldIds.cdnLoop); at >= 0; at = head.findNext(fieldIds.cdnLoop, at)) {
    if (head.valueOf(at).includes(loopTag)) return true;
  }
  return false;
}

function readPreflight(head: MessageHead): Preflight | null {
  if (head.method !== 'OPTIONS') return null;
  const origin = head.find(fieldIds.origin);
  const method = head.find(fieldIds.accessControlRequestMethod);
  if (origin < 0 || method < 0) return null;
  const headers = head.find(fieldIds.accessControlRequestHeaders);
  return {
    origin: head.valueOf(origin),
    method: head.valueOf(method),
    headers: headers < 0 ? '' : head.valueOf(headers),
  };
}

function isPassthrough({ preAuthentication }: ApplicationRecord): boolean {
  return preAuthentication === 'passthrough';
}

function isExcepted({ exceptPrincipalIds }: MaintenanceMode, session: Session | null): boolean {
  if (session === null) return false;
  const { id, groupIds } = session.user;
  return exceptPrincipalIds.some(excepted => excepted === id || groupIds.includes(excepted));
}

/** What follows names the application, for a host with several (RFC 9728 §3.1). */
function asksForMetadata(head: MessageHead): boolean {
  const { length } = metadataPath;
  if (target.pathEnd - target.start < length || head.bytes[target.start + 1] !== dot) return false;
  if (head.method !== 'GET' && head.method !== 'HEAD') return false;
  if (head.bytes.compare(metadataPath, 0, length, target.start, target.start + length) !== 0) return false;
  const end = target.start + length;
  return end === target.pathEnd || head.bytes[end] === slash;
}

function describedRoute(head: MessageHead, host: HostRoutes): Route | null {
  const rest = head.bytes.toString('latin1', target.start + metadataPath.length, target.pathEnd);
  const route = host.only ?? host.find(rest === '' ? '/' : rest);
  return route?.clients?.isBearerAllowed === true && route.application.enabled ? route : null;
}

const nobody: ReadonlySet<string> = new Set();

/** The one file that search engines ask a host for (RFC 9309 §2.3), whatever is published there. */
function asksForRobotsTxt(head: MessageHead): boolean {
  if (target.pathEnd - target.start !== robotsPath.length) return false;
  if (head.method !== 'GET' && head.method !== 'HEAD') return false;
  return head.bytes.compare(robotsPath, 0, robotsPath.length, target.start, target.pathEnd) === 0;
}

function presentedBy(head: MessageHead, facts: ConnectionFacts, parts: AdmitParts): Presented | null {
  if (head.find(fieldIds.authorization) < 0) return null;
  const last = facts.lastPresented;
  if (last !== null && last.fieldsVersion === head.fieldsVersion) return last.presented;
  const presented = readPresented(head, parts.clients.tokens);
  facts.lastPresented = { fieldsVersion: head.fieldsVersion, presented };
  return presented;
}

function cookieOf(head: MessageHead, facts: ConnectionFacts): string | null {
  const last = facts.lastCookie;
  if (last !== null && last.fieldsVersion === head.fieldsVersion) return last.value;
  const value = readSessionCookie(head);
  facts.lastCookie = { fieldsVersion: head.fieldsVersion, value };
  return value;
}

function findHost(head: MessageHead, facts: ConnectionFacts, parts: AdmitParts): HostRoutes | FailureCode {
  const index = head.find(fieldIds.host);
  const sent = head.bytes.toString('latin1', head.valueStart(index), head.valueEnd(index));
  const table = parts.routes();
  const last = facts.lastHost;
  if (last !== null && last.sent === sent && last.table === table) return last.host;
  const name = parseHost(head.bytes, head.valueStart(index), head.valueEnd(index)).name;
  // A name that this connection's certificate does not carry was not meant for us (RFC 9110 §7.4, threat B5).
  if (!facts.covers(name)) return 'misdirected';
  const host = table.findHost(name);
  if (host === undefined) return 'not_found';
  facts.lastHost = { sent, table, host };
  return host;
}

/** A person who follows a link or types an address, as opposed to a page's script (Fetch Metadata, else Accept). */
export function isNavigation(head: MessageHead): boolean {
  if (head.method !== 'GET' && head.method !== 'HEAD' && head.method !== 'POST') return false;
  const mode = head.find(fieldIds.secFetchMode);
  if (mode >= 0) return head.valueIs(mode, 'navigate');
  if (head.upgrade) return false;
  return acceptsHtml(head);
}

/** The host that a request names, in lower case and without its port; null where it names none that can be read. */
export function hostNameOf(head: MessageHead): string | null {
  const index = head.find(fieldIds.host);
  if (index < 0) return null;
  try {
    return parseHost(head.bytes, head.valueStart(index), head.valueEnd(index)).name;
  } catch (error) {
    if (error instanceof Http1Error) return null;
    throw error;
  }
}

export function acceptsHtml(head: MessageHead): boolean {
  const accept = head.find(fieldIds.accept);
  return accept >= 0 && head.valueOf(accept).toLowerCase().includes('text/html');
}

/**
 * A WebSocket that another site's page opens with this person's cookie (threat E1), unless a rule of the application lets
 * that site in.
 *
 * @param head Of the request that was admitted last.
 */
export function isForeignWebSocket(head: MessageHead, { externalOrigin, ownOrigin, cors }: Route): boolean {
  if (!head.upgrade) return false;
  const index = head.find(fieldIds.origin);
  if (index < 0) return false;
  const origin = head.valueOf(index);
  const said = origin.toLowerCase();
  if (said === ownOrigin || said === externalOrigin) return false;
  return cors === null || !cors.allows(origin, pathsOf(head, target));
}
