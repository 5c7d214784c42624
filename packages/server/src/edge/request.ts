import type { Session } from '../feed/relay-state.ts';
import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import type { Route } from '../routes/route-table.ts';
import { type ClaimSource, requestLines } from '../translation/custom-headers.ts';
import type { PublishedAddress } from '../translation/published-links.ts';
import { writeRequestFields, writeRequestHead } from '../translation/request-head.ts';
import { plainAddress } from '../tunnels/accept.ts';
import {
  type Admission,
  admit,
  type ConnectionFacts,
  corsGrant,
  hostNameOf,
  isForeignWebSocket,
  isNavigation,
  keepsAuthorization,
} from './admit.ts';
import type { Presented } from './client-credentials.ts';
import type { EdgeParts } from './edge-parts.ts';
import { Exchange, type ResponseSink } from './exchange.ts';
import { ExchangeTiming } from './exchange-timing.ts';
import { EdgeError, type FailureCode } from './failure.ts';
import {
  challengeAnswer,
  failureAnswer,
  type LocalAnswer,
  preflightAnswer,
  resourceMetadataAnswer,
  robotsAnswer,
  signInAnswer,
  withFields,
} from './local-answer.ts';
import { namesConnectionScheme, type PinnedConnections } from './pinned-connections.ts';
import type { Client } from './protection.ts';
import { connectionFields, identityFields } from './request-fields.ts';

/** What a client connection remembers between its requests. */
export interface ClientContext extends ConnectionFacts {
  readonly address: string;
  /** Whoever the connection is from, which is a proxy where one in front of us is trusted. */
  readonly client: Client;
  readonly isBehindTrustedProxy: boolean;
  /** What a trusted proxy said with the last request, good while its fields repeat. */
  lastForwarded: Forwarded | null;
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

interface Forwarded {
  readonly fieldsVersion: number;
  /** As it goes on in X-Forwarded-For, before the address of the connection; null where nothing was said. */
  readonly chain: string | null;
  readonly client: Client;
}

/** One request on its way from its head to its outcome. */
export interface IncomingRequest {
  readonly head: MessageHead;
  readonly context: ClientContext;
  readonly client: Client;
  readonly sink: ResponseSink;
  readonly parts: EdgeParts;
  readonly requestId: string;
  readonly startedAt: number;
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
 * @param timing Takes down when each hop was come to.
 * @throws Http1Error for a target or host that cannot be read in one way only.
 */
export function handleRequest(
  head: MessageHead,
  context: ClientContext,
  sink: ResponseSink,
  parts: EdgeParts,
  timing: ExchangeTiming | null = null,
): RequestOutcome {
  const client = clientOf(head, context, parts);
  const requestId = parts.nextRequestId();
  const request = { head, context, client, sink, parts, requestId, startedAt: parts.now() };
  const refusal = parts.protection.refusesClient(client);
  if (refusal !== null) return refuse(request, refusal.code, null, refusal.retryAfterSeconds);
  const admission = admit(head, context, client, parts.admit, false);
  if (admission.kind !== 'ask' && admission.kind !== 'verify') return outcomeOf(admission, request, timing);
  const learned = admission.kind === 'ask' ? askFor(admission, parts) : verify(admission, client, parts);
  const outcome = learned.then(presented => {
    if (presented !== null) context.lastPresented = { fieldsVersion: head.fieldsVersion, presented };
    return outcomeOf(admit(head, context, client, parts.admit, true), request, timing);
  });
  return { kind: 'later', outcome };
}

async function askFor(
  { idHash, host }: Extract<Admission, { kind: 'ask' }>,
  { admit: { findSession } }: EdgeParts,
): Promise<null> {
  await findSession(idHash, host);
  return null;
}

async function verify(
  { bearer }: Extract<Admission, { kind: 'verify' }>,
  client: Client,
  { admit: { clients } }: EdgeParts,
): Promise<Presented> {
  const claims = await clients.tokens.verify(bearer.token);
  if (claims === null) clients.failures.count(client.key);
  return { ...bearer, claims };
}

function outcomeOf(
  admission: Admission,
  request: IncomingRequest,
  timing: ExchangeTiming | null,
): RequestOutcome {
  const { head, requestId } = request;
  switch (admission.kind) {
    case 'allow': {
      const { route, session, target } = admission;
      if (session !== null && isForeignWebSocket(head, route)) {
        return refuse(request, 'foreign_origin', route);
      }
      return openExchange(request, route, session, target, timing ?? timingFor(session));
    }
    case 'sign-in': {
      const { route, host, problem } = admission;
      if (problem !== null || !isNavigation(head)) {
        const answer = challengeAnswer(head, route, requestId, problem);
        const grant = corsGrant(head, route);
        return { kind: 'answer', answer: withFields(answer, grant), requestId, host: host.host };
      }
      if (head.method === 'POST') {
        const answer = signInAnswer(signInTarget(pageOfForm(head, route.ownOrigin)), requestId);
        return { kind: 'answer', answer, requestId, host: host.host };
      }
      // The control process takes the person to the sign-in page, and afterwards back to this address.
      const target = signInTarget(head.bytes.toString('latin1', head.targetStart, head.targetEnd));
      return openExchange(request, host.reserved, null, target, null);
    }
    case 'refuse': {
      const { code, route, retryAfterSeconds } = admission;
      const isMaintained = code === 'maintenance';
      return refuse(
        request,
        code,
        route,
        isMaintained ? route?.maintenance?.retryAfterSeconds : retryAfterSeconds,
      );
    }
    case 'preflight': {
      const { route, answer } = admission;
      return { kind: 'answer', answer: preflightAnswer(answer, requestId), requestId, host: route.host };
    }
    case 'resource-metadata': {
      const { route, issuer } = admission;
      const answer = resourceMetadataAnswer(route, issuer, requestId);
      return { kind: 'answer', answer, requestId, host: route.host };
    }
    case 'robots':
      return { kind: 'answer', answer: robotsAnswer(requestId), requestId, host: admission.host };
    case 'ask':
    case 'verify':
      throw new TypeError('what admission asks for is asked for once');
  }
}

function signInTarget(returnPath: string): string {
  return `/.postern/sign-in?return=${encodeURIComponent(returnPath)}`;
}

/** Where a form was filled in, as far as the browser says so: its address may answer nothing but POST. */
function pageOfForm(head: MessageHead, ownOrigin: string): string {
  const index = head.find(fieldIds.referer);
  const page = index < 0 ? null : URL.parse(head.valueOf(index));
  return page !== null && page.origin === ownOrigin ? `${page.pathname}${page.search}` : '/';
}

function refuse(
  { head, requestId, parts }: IncomingRequest,
  code: FailureCode,
  route: Route | null,
  retryAfterSeconds?: number,
): RequestOutcome {
  parts.onRefusal(code, route?.application.id ?? null);
  const context = { head, route, requestId, time: new Date(), retryAfterSeconds };
  const failure = failureAnswer(new EdgeError(code), context);
  const answer = route === null ? failure : withFields(failure, corsGrant(head, route));
  return { kind: 'answer', answer, requestId, host: hostNameOf(head) };
}

/** Timings for an administrator who has asked for them, until that ends; null for everybody else. */
function timingFor(session: Session | null): ExchangeTiming | null {
  const until = session?.record.timingUntil;
  return until !== undefined && until > Date.now() ? new ExchangeTiming(false) : null;
}

/** Opens an exchange with the backend of a route, in the name of the session; null where nobody is named. */
export function openExchange(
  request: IncomingRequest,
  route: Route,
  session: Session | null,
  target: string | null,
  timing: ExchangeTiming | null,
): RequestOutcome {
  const { head, context, client, sink, parts, requestId, startedAt } = request;
  if (route.speaksHttp2 && isWebSocket(head)) return refuse(request, 'upgrade_not_possible', route);
  const claim = parts.protection.claim(route, client, head.upgrade);
  if ('code' in claim) return refuse(request, claim.code, route, claim.retryAfterSeconds);
  const source = { session, route, requestId, clientAddress: client.address };
  const fields = translatedFields(head, source, context, parts);
  const perRequest = route.requestHeaders?.perRequest ?? noFields;
  const lastLines = perRequest.length === 0 ? '' : requestLines(perRequest, source, parts.identity.reserved);
  const exchange = new Exchange(parts.exchange, {
    route,
    session,
    method: head.method,
    requestId,
    clientAddress: client.address,
    claim,
    cors: route.cors === null ? null : corsGrant(head, route),
    links: parts.admit.routes().links,
    head: writeRequestHead(head, target, fields, requestId, lastLines),
    hasBody: head.bodyKind !== 'none',
    isUpgrade: head.upgrade,
    isPersonalPage: session !== null && isNavigation(head),
    authenticatesConnection: namesConnectionScheme(head, fieldIds.authorization),
    pins: route.speaksHttp2 ? null : context.pins,
    startedAt,
    timing,
    sink,
  });
  return { kind: 'exchange', exchange };
}

/** Other upgrades may be passed over by whoever gets them (RFC 9110 §7.8), and are. */
function isWebSocket(head: MessageHead): boolean {
  return head.upgrade && head.valueIs(head.find(fieldIds.upgrade), 'websocket');
}

const noFields: readonly never[] = [];

function translatedFields(
  head: MessageHead,
  source: RequestSource,
  context: ClientContext,
  parts: EdgeParts,
): Buffer {
  const { route, session } = source;
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
    identityFields: withCustomFields(identityFields(session, route, parts.identity), source, parts),
    reservedNames: parts.identity.reserved,
    keepsOwnCookies: route.backend === 'control',
    keepsAuthorization: keepsAuthorization(head, context, route, parts.admit),
    addresses: route.translatesRequests ? route : null,
    links: parts.admit.routes().links,
    custom: route.requestHeaders,
  });
  context.lastTranslation = { fieldsVersion: head.fieldsVersion, route, session, bytes };
  return bytes;
}

/** Whose request it is, and for what. */
interface RequestSource extends ClaimSource {
  readonly route: Route;
  readonly session: Session | null;
}

function withCustomFields(identity: Buffer, source: RequestSource, parts: EdgeParts): Buffer {
  const { requestHeaders } = source.route;
  if (requestHeaders === null) return identity;
  const lines = requestLines(requestHeaders.fields, source, parts.identity.reserved);
  return Buffer.concat([identity, Buffer.from(lines, 'latin1')]);
}

function fieldsFor(head: MessageHead, route: Route, context: ClientContext, parts: EdgeParts): Buffer {
  const sentHost = context.lastHost!.sent;
  if (context.isBehindTrustedProxy) {
    const { chain } = forwardedBy(head, context, parts);
    return connectionFields(route, context.address, chain, sentHost);
  }
  const last = context.lastFields;
  if (last !== null && last.route === route && last.sentHost === sentHost) return last.bytes;
  const bytes = connectionFields(route, context.address, null, sentHost);
  context.lastFields = { route, sentHost, bytes };
  return bytes;
}

function clientOf(head: MessageHead, context: ClientContext, parts: EdgeParts): Client {
  return context.isBehindTrustedProxy ? forwardedBy(head, context, parts).client : context.client;
}

function forwardedBy(head: MessageHead, context: ClientContext, parts: EdgeParts): Forwarded {
  const last = context.lastForwarded;
  if (last !== null && last.fieldsVersion === head.fieldsVersion) return last;
  const index = head.find(fieldIds.xForwardedFor);
  const chain = index < 0 ? null : trustedChain(head.valueOf(index), parts.isTrustedProxy);
  // What a proxy says and nobody can read is no address: that of the proxy would open what is allowed to it.
  const said = index < 0 ? null : (chain?.split(',', 1)[0] ?? '');
  const client = said === null ? context.client : parts.protection.clientAt(plainAddress(said));
  const forwarded = { fieldsVersion: head.fieldsVersion, chain, client };
  context.lastForwarded = forwarded;
  return forwarded;
}

/**
 * The part of X-Forwarded-For that trusted proxies wrote: read from its end, up to and including the first address that
 * is not one of theirs. What stands before it is the client's own claim.
 */
function trustedChain(value: string, isTrusted: (address: string) => boolean): string | null {
  const addresses = value.split(',').map(one => withoutPort(one.trim()));
  const kept: string[] = [];
  for (let at = addresses.length - 1; at >= 0; at--) {
    const address = addresses[at]!;
    if (!/^[0-9a-fA-F.:]{2,45}$/.test(address)) break;
    kept.unshift(address);
    if (!isTrusted(address)) break;
  }
  return kept.length > 0 ? kept.join(', ') : null;
}

/** Some load balancers say the port, too: `192.0.2.1:80`, `[2001:db8::1]:80`. */
function withoutPort(address: string): string {
  return /^(?:\[([^\]]+)\]|([\d.]+))(?::\d+)?$/.exec(address)?.slice(1).find(Boolean) ?? address;
}

/** What becomes of an interim answer: what it names is turned outwards as in the answer that follows, and nothing is added. */
export function interimChanges(exchange: Exchange) {
  const { route, links } = exchange;
  return {
    addresses: addressesOf(route),
    links,
    changesContent: false,
    keepsOwnCookies: false,
    isPersonalPage: false,
    custom: null,
    claims: exchange,
    addsHttpOnly: route.addsHttpOnly,
  };
}

/** Whose addresses are turned outwards in answers of a route; the control process writes its own. */
export function addressesOf(route: Route): PublishedAddress | null {
  return route.translatesAnswers ? route : null;
}
