import type { Session } from '../feed/relay-state.ts';
import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import type { Route } from '../routes/route-table.ts';
import { writeRequestFields, writeRequestHead } from '../translation/request-head.ts';
import type { AddressTranslation } from '../translation/response-head.ts';
import {
  type Admission,
  admit,
  type ConnectionFacts,
  hostNameOf,
  isForeignWebSocket,
  isNavigation,
} from './admit.ts';
import type { EdgeParts } from './edge-parts.ts';
import { Exchange, type ResponseSink } from './exchange.ts';
import { EdgeError } from './failure.ts';
import { challengeAnswer, failureAnswer, type LocalAnswer, signInAnswer } from './local-answer.ts';
import { namesConnectionScheme, type PinnedConnections } from './pinned-connections.ts';
import { connectionFields, identityFields } from './request-fields.ts';

/** What a client connection remembers between its requests. */
export interface ClientContext extends ConnectionFacts {
  readonly address: string;
  readonly isBehindTrustedProxy: boolean;
  /** Null where one connection carries many exchanges at a time (HTTP/2). */
  readonly pins: PinnedConnections | null;
  /** The fields of {@link connectionFields} for the last route on this connection. */
  lastFields: { readonly route: Route; readonly sentHost: string; readonly bytes: Buffer } | null;
  /** The translated fields of the last request on this connection, good while the client's fields repeat. */
  lastTranslation: {
    readonly fieldsVersion: number;
    readonly route: Route;
    readonly session: Session | null;
    readonly bytes: Buffer;
  } | null;
}

/** What becomes of one request: an exchange with a backend, or an answer of the edge's own. */
export type RequestOutcome =
  | { readonly kind: 'exchange'; readonly exchange: Exchange }
  | {
      readonly kind: 'answer';
      readonly answer: LocalAnswer;
      readonly requestId: string;
      readonly host: string | null;
    }
  /** The control process is being asked about the session; the outcome follows. */
  | { readonly kind: 'later'; readonly outcome: Promise<RequestOutcome> };

/**
 * Takes one request from its head to its outcome. HTTP/1.1 requests, upgrades and HTTP/2 streams all come through here.
 *
 * @param head Must stay as it is until the outcome is there.
 * @throws Http1Error for a target or host that cannot be read in one way only.
 */
export function handleRequest(
  head: MessageHead,
  context: ClientContext,
  sink: ResponseSink,
  parts: EdgeParts,
): RequestOutcome {
  const requestId = parts.nextRequestId();
  const admission = admit(head, context, parts.admit, false);
  if (admission.kind !== 'ask') return outcomeOf(admission, head, context, sink, parts, requestId);
  const outcome = parts.admit.findSession(admission.idHash, admission.host).then(record => {
    if (record !== null) parts.admit.state.putSession(record);
    return outcomeOf(admit(head, context, parts.admit, true), head, context, sink, parts, requestId);
  });
  return { kind: 'later', outcome };
}

function outcomeOf(
  admission: Admission,
  head: MessageHead,
  context: ClientContext,
  sink: ResponseSink,
  parts: EdgeParts,
  requestId: string,
): RequestOutcome {
  switch (admission.kind) {
    case 'allow': {
      const { route, session, target } = admission;
      if (session !== null && isForeignWebSocket(head, route.externalOrigin)) {
        return refuse('foreign_origin', route, head, requestId);
      }
      return {
        kind: 'exchange',
        exchange: openExchange(head, route, session, target, context, sink, parts, requestId),
      };
    }
    case 'sign-in': {
      const { route, host } = admission;
      if (!isNavigation(head)) {
        const answer = challengeAnswer(route.externalOrigin, requestId);
        return { kind: 'answer', answer, requestId, host: host.host };
      }
      if (head.method === 'POST') {
        const answer = signInAnswer(signInTarget(pageOfForm(head, route.externalOrigin)), requestId);
        return { kind: 'answer', answer, requestId, host: host.host };
      }
      // The control process takes the person to the sign-in page, and afterwards back to this address.
      const target = signInTarget(head.bytes.toString('latin1', head.targetStart, head.targetEnd));
      return {
        kind: 'exchange',
        exchange: openExchange(head, host.reserved, null, target, context, sink, parts, requestId),
      };
    }
    case 'refuse':
      return refuse(admission.code, admission.route, head, requestId);
    case 'ask':
      throw new TypeError('a session is asked for once');
  }
}

function signInTarget(returnPath: string): string {
  return `/.postern/sign-in?return=${encodeURIComponent(returnPath)}`;
}

/** Where a form was filled in, as far as the browser says so: its address may answer nothing but POST. */
function pageOfForm(head: MessageHead, externalOrigin: string): string {
  const index = head.find(fieldIds.referer);
  const page = index < 0 ? null : URL.parse(head.valueOf(index));
  return page !== null && page.origin === externalOrigin ? `${page.pathname}${page.search}` : '/';
}

function refuse(
  code: ConstructorParameters<typeof EdgeError>[0],
  route: Route | null,
  head: MessageHead,
  requestId: string,
): RequestOutcome {
  const answer = failureAnswer(new EdgeError(code), { head, route, requestId, time: new Date() });
  return { kind: 'answer', answer, requestId, host: hostNameOf(head) };
}

function openExchange(
  head: MessageHead,
  route: Route,
  session: Session | null,
  target: string | null,
  context: ClientContext,
  sink: ResponseSink,
  parts: EdgeParts,
  requestId: string,
): Exchange {
  return new Exchange(parts.exchange, {
    route,
    session,
    method: head.method,
    requestId,
    head: writeRequestHead(head, target, translatedFields(head, route, session, context, parts), requestId),
    hasBody: head.bodyKind !== 'none',
    isUpgrade: head.upgrade,
    isPersonalPage: session !== null && isNavigation(head),
    authenticatesConnection: namesConnectionScheme(head, fieldIds.authorization),
    pins: context.pins,
    sink,
  });
}

function translatedFields(
  head: MessageHead,
  route: Route,
  session: Session | null,
  context: ClientContext,
  parts: EdgeParts,
): Buffer {
  const last = context.lastTranslation;
  if (
    last !== null &&
    last.fieldsVersion === head.fieldsVersion &&
    last.route === route &&
    last.session === session
  ) {
    return last.bytes;
  }
  const bytes = writeRequestFields(head, {
    connectionFields: fieldsFor(head, route, context, parts),
    identityFields: identityFields(session, route, parts.identity),
    reservedNames: parts.identity.reserved,
    keepsOwnCookies: route.backend === 'control',
  });
  context.lastTranslation = { fieldsVersion: head.fieldsVersion, route, session, bytes };
  return bytes;
}

function fieldsFor(head: MessageHead, route: Route, context: ClientContext, parts: EdgeParts): Buffer {
  const sentHost = context.lastHost!.sent;
  if (context.isBehindTrustedProxy) {
    const index = head.find(fieldIds.xForwardedFor);
    const said = index < 0 ? null : trustedChain(head.valueOf(index), parts.isTrustedProxy);
    return connectionFields(route, context.address, said, sentHost);
  }
  const last = context.lastFields;
  if (last !== null && last.route === route && last.sentHost === sentHost) return last.bytes;
  const bytes = connectionFields(route, context.address, null, sentHost);
  context.lastFields = { route, sentHost, bytes };
  return bytes;
}

/**
 * The part of X-Forwarded-For that trusted proxies wrote: read from its end, up to and including the first address that
 * is not one of theirs. What stands before it is the client's own claim.
 */
function trustedChain(value: string, isTrusted: (address: string) => boolean): string | null {
  const addresses = value.split(',').map(one => one.trim());
  const kept: string[] = [];
  for (let at = addresses.length - 1; at >= 0; at--) {
    const address = addresses[at]!;
    if (!/^[0-9a-fA-F.:]{2,45}$/.test(address)) break;
    kept.unshift(address);
    if (!isTrusted(address)) break;
  }
  return kept.length > 0 ? kept.join(', ') : null;
}

/** How answers of a route are turned outwards; the control process writes its own addresses. */
export function addressesOf(route: Route): AddressTranslation | null {
  return route.backend === 'control' ? null : route;
}
