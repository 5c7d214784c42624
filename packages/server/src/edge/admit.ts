import type { SessionRecord } from '../feed/messages.ts';
import { hashCookie, type RelayState, type Session } from '../feed/relay-state.ts';
import { Http1Error } from '../http1/error.ts';
import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import { checkTarget, parseHost, pathReadings, RequestTarget } from '../http1/target.ts';
import { decide } from '../policy/decide.ts';
import {
  findRoute,
  type HostRoutes,
  type Route,
  type RouteTable,
  reservedPath,
} from '../routes/route-table.ts';
import { readSessionCookie } from '../translation/session-cookie.ts';
import type { FailureCode } from './failure.ts';

/** What admission needs of the relay. */
export interface AdmitParts {
  readonly state: RelayState;
  readonly routes: () => RouteTable;
  /** Milliseconds since the control process was last heard; 0 while it is connected. */
  readonly silentForMs: () => number;
  readonly feedGraceMs: number;
  readonly findSession: (idHash: string, host: string) => Promise<SessionRecord | null>;
}

/** What is known of a connection before any request on it, and what was looked up for the last one. */
export interface ConnectionFacts {
  /** Whether the certificate that this connection was made with is also good for another host. */
  readonly covers: (host: string) => boolean;
  /** The Host of the last request on this connection, as sent, and what it meant. */
  lastHost: { readonly sent: string; readonly table: RouteTable; readonly host: HostRoutes } | null;
  /** The session cookie of the last request on this connection, good while the client's fields repeat. */
  lastCookie: { readonly fieldsVersion: number; readonly value: string | null } | null;
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
  /** Nobody is signed in. A navigation is sent to sign in; everything else is told so with 401. */
  | { readonly kind: 'sign-in'; readonly host: HostRoutes; readonly route: Route }
  /** A cookie that only the control process may know; ask it, then admit again. */
  | { readonly kind: 'ask'; readonly idHash: string; readonly host: string }
  | { readonly kind: 'refuse'; readonly code: FailureCode; readonly route: Route | null };

const target = new RequestTarget();
const reservedBytes = Buffer.from(reservedPath, 'latin1');

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
  parts: AdmitParts,
  hasAsked: boolean,
): Admission {
  const host = findHost(head, facts, parts);
  if (typeof host === 'string') return { kind: 'refuse', code: host, route: null };
  checkTarget(head, target);
  const route = routeOf(head, host);
  if (route === undefined) return { kind: 'refuse', code: 'not_found', route: null };

  const { application } = route;
  if (application.preAuthentication === 'passthrough') {
    const decision = decide(application, route.assigned, null);
    if (!decision.allowed) return { kind: 'refuse', code: 'application_disabled', route };
    return { kind: 'allow', route, session: null, target: targetFor(head, route) };
  }
  if (parts.silentForMs() > parts.feedGraceMs) return { kind: 'refuse', code: 'state_stale', route };
  const cookie = cookieOf(head, facts);
  if (cookie === null) return { kind: 'sign-in', host, route };
  const session = parts.state.findSession(cookie, host.host);
  if (session === undefined) {
    if (hasAsked) return { kind: 'sign-in', host, route };
    return { kind: 'ask', idHash: hashCookie(cookie), host: host.host };
  }
  if (session.record.expiresAt <= Date.now()) return { kind: 'sign-in', host, route };
  const decision = decide(application, route.assigned, session.user);
  if (decision.allowed) return { kind: 'allow', route, session, target: targetFor(head, route) };
  if (decision.reason === 'user_disabled') return { kind: 'sign-in', host, route };
  return {
    kind: 'refuse',
    code: decision.reason === 'not_assigned' ? 'not_allowed' : 'application_disabled',
    route,
  };
}

/** Whether an exchange that is under way would still be let in. */
export function isStillAllowed(route: Route, session: Session | null, parts: AdmitParts): boolean {
  const { application } = route;
  const current = route.backend === 'control' ? application : parts.state.applications.get(application.id);
  if (current === undefined || !current.enabled) return false;
  if (current.preAuthentication === 'passthrough') return true;
  if (session === null) return false;
  const live = session.ended ? parts.state.currentSession(session.record.id) : session;
  if (live === undefined) return false;
  // Few exchanges are open when records change, so the set is made here rather than kept.
  const assigned = new Set([...current.assignedUserIds, ...current.assignedGroupIds]);
  return decide(current, assigned, live.user).allowed;
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

function routeOf(head: MessageHead, host: HostRoutes): Route | undefined {
  const { bytes } = head;
  // `/.` begins nothing that the fast check would call plain but the service's own paths.
  if (bytes[target.start + 1] === 0x2e && startsWithReserved(bytes)) return host.reserved;
  if (target.isPlain) {
    if (host.only !== null) return host.only;
    return findRoute(host, bytes.toString('latin1', target.start, target.pathEnd));
  }
  const readings = pathReadings(bytes, target.start, target.pathEnd);
  const isReserved = readings.strict.startsWith(reservedPath) || readings.lenient.startsWith(reservedPath);
  if (isReserved) throw new Http1Error('ambiguous_target');
  if (host.only !== null) return host.only;
  const route = findRoute(host, readings.strict);
  if (route !== findRoute(host, readings.lenient)) throw new Http1Error('ambiguous_target');
  return route;
}

function startsWithReserved(bytes: Buffer): boolean {
  const end = target.start + reservedBytes.length;
  return (
    end <= target.pathEnd && bytes.compare(reservedBytes, 0, reservedBytes.length, target.start, end) === 0
  );
}

/** The target in the backend's own terms: its path where the published one differs, and never more than origin-form. */
function targetFor(head: MessageHead, route: Route): string | null {
  const isOriginForm = target.start === head.targetStart;
  if (route.externalPath === route.internalPath) {
    return isOriginForm ? null : head.bytes.toString('latin1', target.start, target.end);
  }
  const sent = head.bytes.toString('latin1', target.start, target.end);
  if (sent.startsWith(route.externalPath)) return route.internalPath + sent.slice(route.externalPath.length);
  // `/app` for what is published as `/app/` stays without its slash; another spelling cannot be cut where it must be.
  const bare = route.externalPath.slice(0, -1);
  if (!sent.startsWith(bare) || (sent.length > bare.length && sent[bare.length] !== '?')) {
    throw new Http1Error('ambiguous_target');
  }
  return (route.internalPath.slice(0, -1) || '/') + sent.slice(bare.length);
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

/** A WebSocket that another site's page opens with this person's cookie (threat E1). */
export function isForeignWebSocket(head: MessageHead, externalOrigin: string): boolean {
  if (!head.upgrade) return false;
  const origin = head.find(fieldIds.origin);
  return origin >= 0 && head.valueOf(origin).toLowerCase() !== externalOrigin.toLowerCase();
}
