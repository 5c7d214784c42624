import type { OpenDetail } from '@postern/protocol/tunnel/preamble';
import type { Session } from '../feed/relay-state.ts';
import { fieldIds } from '../http1/fields.ts';
import type { MessageHead } from '../http1/head.ts';
import type { CorsGrant } from '../routes/cors.ts';
import type { WeighedBackend } from '../routes/route-backends.ts';
import type { BodyLinkSettings } from '../routes/route-settings.ts';
import type { Route } from '../routes/route-table.ts';
import { isByteRanges, planContent } from '../translation/content-plan.ts';
import { noLinks, type PublishedLinks } from '../translation/published-links.ts';
import type { Tunnel } from '../tunnels/tunnel.ts';
import type { AnswerContent, ContentReceiver } from './answer-content.ts';
import { type ExchangeTiming, serverTiming } from './exchange-timing.ts';
import { EdgeError } from './failure.ts';
import { openContent, withoutRange } from './link-translation.ts';
import { namesConnectionScheme, type PinnedConnections } from './pinned-connections.ts';
import type { Claim } from './protection.ts';

/** The client's side of an exchange: what an HTTP/1.1 connection or an HTTP/2 stream does with an answer. */
export interface ResponseSink {
  onInformational(head: MessageHead): void;
  /** The final answer's head; `head` is valid during the call only. */
  onResponse(head: MessageHead): void;
  onResponseBody(bytes: Buffer, start: number, end: number): void;
  onResponseEnd(trailers: Buffer): void;
  /** 101: from now on bytes go both ways as they are. */
  onUpgraded(head: MessageHead): void;
  /** No answer came; nothing was passed on yet. */
  onFailure(error: EdgeError): void;
  /** The answer broke off in the middle. */
  onAbort(error: EdgeError): void;
  /** The session, its user, the application or an assignment is gone: end at once. */
  onRevoked(): void;
  /** There is room for the request's body again. */
  onRequestDrain(): void;
  /** All bytes that arrived together have been given. */
  flush(): void;
  readonly isWritable: boolean;
}

/** What carries an exchange to its backend: an HTTP/1.1 connection, or one request of an HTTP/2 session. */
export interface BackendCarrier {
  /** Null for the control process. */
  readonly tunnel: Tunnel | null;
  /** Bytes handed to the stream after the preamble. */
  readonly offset: number;
  /** It belongs to one client connection because its backend authenticates connections. */
  isPinned: boolean;
  readonly isClosed: boolean;
  /** Binds it to an exchange until it is released or closed. */
  attach(exchange: Exchange): void;
  /** Takes the request as HTTP/1.1: the head in one piece, then the framed body. False: stop until the exchange's `onRequestDrain`. */
  write(bytes: Buffer): boolean;
  /** After an upgrade: the client has sent its last byte. */
  endWrite(): void;
  /** The client has room again. */
  resume(): void;
  /** The exchange has done with it. */
  release(now: number): void;
  /** Ends it at once; its exchange hears nothing of it. */
  destroy(): void;
}

/** Hands out connections to backends. */
export interface Connector {
  /**
   * Finds a connection for an exchange, now or when a connector of the group is there.
   *
   * @param failedOn Tunnels to avoid.
   */
  connect(exchange: Exchange, failedOn: ReadonlySet<Tunnel> | null): void;
}

export interface ExchangeParts {
  readonly connector: Connector;
  /** Every exchange that is under way. */
  readonly open: Set<Exchange>;
  readonly maxRetryBodyBytes: number;
  /** How often a request is sent at most. Absent: some more often where there are several backends. */
  readonly maxAttempts?: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly onEnd: (exchange: Exchange) => void;
}

export interface ExchangeRequest {
  readonly route: Route;
  readonly session: Session | null;
  readonly method: string;
  readonly requestId: string;
  readonly clientAddress: string;
  /** What it uses of the limits, until it ends. */
  readonly claim: Claim;
  /** Addresses that are turned outwards in the answer. */
  readonly links: PublishedLinks;
  /** The head as the backend gets it. */
  readonly head: Buffer;
  readonly hasBody: boolean;
  readonly isUpgrade: boolean;
  /** A navigation of a signed-in person. */
  readonly isPersonalPage: boolean;
  /** What pages of other origins may do with the answer; null leaves it to the backend. */
  readonly cors: CorsGrant | null;
  /** Authorization is of a scheme that authenticates the connection. */
  readonly authenticatesConnection: boolean;
  /** Of the client's connection; null where one connection carries many exchanges. */
  readonly pins: PinnedConnections | null;
  /** When the head of the request was complete. */
  readonly startedAt: number;
  /** Takes down when each hop was come to; null where nobody wants to know. */
  readonly timing: ExchangeTiming | null;
  readonly sink: ResponseSink;
}

/** More attempts than this help nobody. */
const maxAttempts = 3;
/** With several backends one for each, but not more than this. */
const mostAttempts = 8;
/** Of interim answers, which go on whether or not the client has room. */
const maxInterimBytes = 64 * 1024;
const noTrailers = Buffer.alloc(0);
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * One request on its way to a backend and the answer on its way back. Knows what may be sent again: a request that was
 * certainly not sent, and once a safe one that got no byte of an answer, as long as its body is still held.
 */
export class Exchange implements ContentReceiver {
  readonly route: Route;
  readonly session: Session | null;
  readonly method: string;
  readonly requestId: string;
  readonly clientAddress: string;
  /** Whoever asks, where the application wants each client to stay with one connector. */
  readonly client: string | null;
  readonly claim: Claim;
  readonly isUpgrade: boolean;
  readonly isPersonalPage: boolean;
  readonly cors: CorsGrant | null;
  readonly sink: ResponseSink;
  /** Until the answer's head is out; an exchange that goes on for hours must not keep a table of routes that long. */
  links: PublishedLinks;
  /** The client gets other content than the backend's head describes. */
  changesContent = false;
  readonly startedAt: number;
  readonly timing: ExchangeTiming | null;
  /** Status of the final answer that the client got; 0 before. */
  status = 0;
  failure: EdgeError | null = null;
  bytesToClient = 0;
  /** Offset of the request's first byte on the connection that carries it. */
  startOffset = 0;
  isRequestDone: boolean;
  isEnded = false;
  /** Set while waiting for a connector; aborts the wait. */
  waiting: AbortController | null = null;
  /** Backends that the request has failed on, where the application has several. */
  failedBackends: Set<WeighedBackend> | null = null;
  readonly #parts: ExchangeParts;
  readonly #pins: PinnedConnections | null;
  readonly #authenticatesConnection: boolean;
  #head: Buffer;
  /** What translates the answer's content; null where it goes on as it is. */
  #content: AnswerContent | null = null;
  /** The framed body so far, while it may have to be sent again. */
  #held: Buffer[] | null = null;
  #heldBytes = 0;
  #connection: BackendCarrier | null = null;
  #attempts = 0;
  #failedOn: Set<Tunnel> | null = null;
  /** The one of several that has the request. */
  #backend: WeighedBackend | null = null;
  #hasRetriedSafely = false;
  #hasLostTunnel = false;
  #hasLostUsed = false;
  #interimBytes = 0;
  #hasResponse = false;
  #deadline: number;
  #endBy = Number.POSITIVE_INFINITY;

  constructor(parts: ExchangeParts, request: ExchangeRequest) {
    this.#parts = parts;
    this.route = request.route;
    this.session = request.session;
    this.method = request.method;
    this.requestId = request.requestId;
    this.clientAddress = request.clientAddress;
    this.client = this.route.keepsClients ? (this.session?.record.id ?? this.clientAddress) : null;
    this.claim = request.claim;
    this.sink = request.sink;
    this.links = request.links;
    this.isUpgrade = request.isUpgrade;
    this.isPersonalPage = request.isPersonalPage;
    this.cors = request.cors;
    this.#pins = request.pins;
    this.#authenticatesConnection = request.authenticatesConnection;
    this.isRequestDone = !request.hasBody;
    this.#head = request.head;
    if (request.hasBody) this.#held = [];
    this.startedAt = request.startedAt;
    this.timing = request.timing;
    this.#deadline = this.#nextDeadline(this.startedAt);
    parts.open.add(this);
  }

  start(): void {
    this.#attempts += 1;
    if (this.timing !== null && this.#attempts === 1) this.timing.beganAt = this.#parts.now();
    const pinned = this.#pins?.find(this.route.pool, this.session) ?? null;
    if (pinned !== null) this.useConnection(pinned);
    else this.#parts.connector.connect(this, this.#failedOn);
  }

  /** Whether a request like this one may go out on a connection that the backend may be closing this moment. */
  get maySendAgain(): boolean {
    return safeMethods.has(this.method);
  }

  /** Its connector may be gone, and its other tunnels with it. */
  get hasLostTunnel(): boolean {
    return this.#hasLostTunnel;
  }

  /** A used connection was lost, and others that idle may be as old; or the time that a new one takes is to be known. */
  get wantsNewConnection(): boolean {
    return this.#hasLostUsed || (this.timing?.wantsNewConnection ?? false);
  }

  get isClientWritable(): boolean {
    return this.sink.isWritable && (this.#content === null || this.#content.hasRoom);
  }

  get isWritable(): boolean {
    return this.sink.isWritable;
  }

  get connectorId(): string | null {
    return this.#connection?.tunnel?.connectorId ?? null;
  }

  isThrough(tunnel: Tunnel): boolean {
    return this.#connection?.tunnel === tunnel;
  }

  /** How often it was sent, or was to be. */
  get attempts(): number {
    return this.#attempts;
  }

  /** One of several backends was chosen. */
  useBackend(backend: WeighedBackend | null): void {
    if (this.#backend !== null) this.#backend.outstanding -= 1;
    if (backend !== null) backend.outstanding += 1;
    this.#backend = backend;
  }

  /** A connection was found: sends the head and what is held of the body. */
  useConnection(connection: BackendCarrier): void {
    this.waiting = null;
    this.#connection = connection;
    this.startOffset = connection.offset;
    const now = this.#parts.now();
    this.#deadline = this.#nextDeadline(now);
    if (this.timing !== null) {
      this.timing.sent(now, connection.tunnel?.connectorId ?? null, this.#backend?.origin ?? null);
    }
    connection.attach(this);
    let hasRoom = connection.write(this.#head);
    if (this.#held !== null) {
      for (const bytes of this.#held) hasRoom = connection.write(bytes);
      this.#dropHeldIfLarge();
    }
    if (hasRoom && !this.isRequestDone) this.sink.onRequestDrain();
  }

  /** For an administrator who has asked for it how long each hop took, as a Server-Timing field says it; else null. */
  get serverTiming(): string | null {
    return this.timing === null ? null : serverTiming(this.timing, this.startedAt);
  }

  /** The connector has said what came of its connection to the backend. */
  onOpened(detail: OpenDetail): void {
    if (this.timing !== null) this.timing.open(this.#parts.now(), detail);
  }

  /** No connection is to be had. */
  onNoConnection(error: EdgeError): void {
    this.waiting = null;
    this.#fail(error);
  }

  /**
   * Sends framed bytes of the request's body, or bytes after an upgrade.
   *
   * @returns false: stop until the sink's `onRequestDrain`.
   */
  writeBody(bytes: Buffer): boolean {
    if (this.isEnded) return true;
    this.#deadline = this.#nextDeadline(this.#parts.now());
    if (this.#held !== null) {
      this.#held.push(bytes);
      this.#heldBytes += bytes.length;
    }
    if (this.#connection === null) return this.#heldBytes < this.#parts.maxRetryBodyBytes;
    this.#dropHeldIfLarge();
    return this.#connection.write(bytes);
  }

  endBody(): void {
    this.isRequestDone = true;
  }

  /** After an upgrade: the client has sent its last byte. */
  endUpgraded(): void {
    this.#connection?.endWrite();
  }

  /** The client has gone, or wants no more of the answer. */
  abort(): void {
    if (this.isEnded) return;
    this.#dropConnection();
    this.#end();
  }

  /** The sink cannot pass on the answer whose head it was just given: the client gets a failure in its place. */
  refuseAnswer(error: EdgeError): void {
    if (this.isEnded) return;
    this.#dropConnection();
    this.#fail(error);
  }

  /** Ends the exchange because it is not allowed any more. */
  revoke(): void {
    if (this.isEnded) return;
    this.#dropConnection();
    this.sink.onRevoked();
    this.#end();
  }

  /** The application is not published any more: what is under way may be finished, but not for ever. */
  finishWithin(ms: number): void {
    this.#endBy = Math.min(this.#endBy, this.#parts.now() + ms);
  }

  /** Called about once a second. */
  checkDeadline(now: number): void {
    if (now >= this.#endBy) return this.revoke();
    if (this.#hasResponse || this.isEnded || now < this.#deadline || this.#connection === null) return;
    this.#dropConnection();
    this.#fail(
      new EdgeError('backend_timeout', `no answer within ${this.route.application.backendTimeoutMs} ms`),
    );
  }

  onRequestDrain(): void {
    if (!this.isRequestDone || this.isUpgrade) this.sink.onRequestDrain();
  }

  onInformational(head: MessageHead): void {
    this.#interimBytes += head.end - head.start;
    if (this.#interimBytes > maxInterimBytes) {
      return this.refuseAnswer(new EdgeError('bad_response', 'interim answers without end'));
    }
    this.sink.onInformational(head);
  }

  onResponse(head: MessageHead): void {
    if (this.route.bodyLinks !== null && !this.#prepareContent(head, this.route.bodyLinks)) return;
    this.#hasResponse = true;
    this.#held = null;
    this.status = head.status;
    if (this.timing !== null) this.timing.firstByteAt = this.#parts.now();
    const isChallenge = head.status === 401 && namesConnectionScheme(head, fieldIds.wwwAuthenticate);
    if (this.#pins !== null && (this.#authenticatesConnection || isChallenge)) {
      this.#pins.pin(this.route.pool, this.session, this.#connection!);
    }
    this.sink.onResponse(head);
    this.links = noLinks;
  }

  /** A part of the answer's content, or of what comes after an upgrade. */
  onResponseBody(bytes: Buffer, start: number, end: number): void {
    if (this.#content === null) this.sink.onResponseBody(bytes, start, end);
    else this.#content.push(bytes, start, end);
  }

  onUpgraded(head: MessageHead): void {
    this.#hasResponse = true;
    this.status = 101;
    this.isRequestDone = false;
    this.sink.onUpgraded(head);
    this.links = noLinks;
  }

  /** The answer is complete; the connection has already been let go. */
  onResponseEnd(connection: BackendCarrier, trailers: Buffer): void {
    this.#connection = null;
    if (this.#content !== null) {
      connection.release(this.#parts.now());
      this.#content.end();
      return;
    }
    this.#end();
    // Released first: a pipelined request, which the sink begins now, finds it warm.
    connection.release(this.#parts.now());
    this.sink.onResponseEnd(trailers);
  }

  flush(): void {
    if (this.#content === null) this.sink.flush();
    else this.#content.flush();
  }

  /** The client has room again. */
  resume(): void {
    this.#content?.resume();
    this.#connection?.resume();
  }

  onContent(bytes: Buffer): void {
    this.sink.onResponseBody(bytes, 0, bytes.length);
  }

  onContentFlush(): void {
    this.sink.flush();
  }

  onContentRoom(): void {
    this.#connection?.resume();
  }

  /** The answer is complete and translated. What trailers say of its content is not true any more, so none go on. */
  onContentEnd(): void {
    this.#content = null;
    this.#end();
    this.sink.onResponseEnd(noTrailers);
  }

  onContentFailure(detail: string): void {
    this.#content = null;
    this.failure = new EdgeError('bad_response', detail);
    this.#dropConnection();
    this.sink.onAbort(this.failure);
    this.#end();
  }

  /** False: the answer is of no use, and the request is sent again. */
  #prepareContent(head: MessageHead, settings: BodyLinkSettings): boolean {
    this.changesContent = head.status === 304;
    const isPart = head.status === 206;
    const plan = planContent(head);
    if (plan === null && !(isPart && isByteRanges(head))) return true;
    // A part cannot be translated, and would not fit to the parts of the translated whole.
    if (isPart && this.method === 'GET' && this.isRequestDone && this.#askForWhole()) return false;
    if (plan === null || isPart) return true;
    this.changesContent = true;
    if (head.bodyKind !== 'none') this.#content = openContent(plan, this.route, this.links, settings, this);
    return true;
  }

  /** False: it was asked for already, or the content that belongs to the head is gone. */
  #askForWhole(): boolean {
    const head = withoutRange(this.#head);
    if (head.length === this.#head.length || !this.#isHeld) return false;
    this.#dropConnection();
    this.#head = head;
    this.start();
    return true;
  }

  /** @param wasNotSent The backend certainly got no byte of this request. */
  onConnectionLost(connection: BackendCarrier, error: EdgeError, wasNotSent: boolean): void {
    this.#connection = null;
    if (this.isEnded) return;
    if (this.#hasResponse) {
      this.failure = error;
      this.#content?.destroy();
      this.#content = null;
      this.sink.onAbort(error);
      this.#end();
      return;
    }
    if (!this.#maySendAgainAfter(connection, error, wasNotSent)) return this.#fail(error);
    this.start();
  }

  #maySendAgainAfter({ tunnel }: BackendCarrier, { code }: EdgeError, wasNotSent: boolean): boolean {
    if (!this.#isHeld || this.#attempts >= this.#mostAttempts) return false;
    if (!wasNotSent) {
      if (!this.maySendAgain || this.#hasRetriedSafely) return false;
      this.#hasRetriedSafely = true;
    }
    // A connection made for this request failed, and another of its connector would fail too; a used one was just too old,
    // unless its tunnel went with it: the others of that connector are about to follow.
    const isNew = this.startOffset === 0;
    this.#hasLostUsed ||= !isNew;
    this.#hasLostTunnel ||= code === 'tunnel_lost';
    if (tunnel !== null && (isNew || code === 'tunnel_lost')) {
      this.#failedOn ??= new Set();
      this.#failedOn.add(tunnel);
    }
    if (isNew && this.#backend !== null) {
      this.failedBackends ??= new Set();
      this.failedBackends.add(this.#backend);
    }
    return true;
  }

  /** All of the request so far can be sent again. */
  get #isHeld(): boolean {
    return this.#held !== null || (this.isRequestDone && this.#heldBytes === 0);
  }

  get #mostAttempts(): number {
    if (this.#parts.maxAttempts !== undefined) return this.#parts.maxAttempts;
    const { backends } = this.route;
    return backends === null ? maxAttempts : Math.min(maxAttempts + backends.all.length - 1, mostAttempts);
  }

  #dropHeldIfLarge(): void {
    if (this.#heldBytes > this.#parts.maxRetryBodyBytes) this.#held = null;
  }

  #nextDeadline(now: number): number {
    const timeoutMs = this.route.application.backendTimeoutMs;
    return timeoutMs === 0 ? Number.POSITIVE_INFINITY : now + timeoutMs;
  }

  #dropConnection(): void {
    this.waiting?.abort();
    this.#content?.destroy();
    this.#content = null;
    this.#connection?.destroy();
    this.#connection = null;
  }

  #fail(error: EdgeError): void {
    this.failure = error;
    this.status = error.status;
    this.sink.onFailure(error);
    this.#end();
  }

  #end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    if (this.#backend !== null) this.useBackend(null);
    this.#parts.open.delete(this);
    this.#parts.onEnd(this);
  }
}
