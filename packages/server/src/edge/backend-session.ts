import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2';
import { decodeOpenAnswer } from '@postern/protocol/tunnel/preamble';
import { type HeadLimits, MessageHead } from '../http1/head.ts';
import type { BackendAddress } from '../routes/route-backends.ts';
import type { EndReport, Tunnel } from '../tunnels/tunnel.ts';
import { failureOf, isRefusal, isReset } from './backend-connection.ts';
import { BackendRequest, type BackendRequestOwner } from './backend-request.ts';
import type { BackendStream } from './backend-stream.ts';
import { EdgeError } from './failure.ts';
import { StreamDuplex } from './stream-duplex.ts';

/** Where a session came from. */
export interface BackendSessionPlace {
  /** The session is gone. */
  forgetSession(session: BackendSession): void;
  /** The connector has said whether it could reach the backend, and if not, why. */
  opened(session: BackendSession, wasReached: boolean, failure?: EdgeError): void;
}

export interface BackendSessionOptions {
  readonly stream: BackendStream;
  /** Of the tunnel's stream. */
  readonly streamId: number;
  readonly tunnel: Tunnel;
  readonly to: BackendAddress;
  readonly place: BackendSessionPlace;
  /** How many requests the backend took at a time on another session; null where none has said. */
  readonly expectedConcurrent: number | null;
  readonly limits: HeadLimits;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** An answer comes this far ahead of its client: 80 Mbit/s over 80 ms, since it is given back by halves. */
const streamWindowBytes = 2 * 1024 * 1024;
// The frames' library gives back the connection's window as soon as bytes come, so that slow clients hold up nobody else.
const sessionWindowBytes = 16 * 1024 * 1024;
/** What the library may keep for a session in requests that wait for the backend, in its own unit. */
const maxSessionMemoryMegabytes = 64;
/** However many the backend would take: what ends a session ends all of its requests. */
const maxConcurrentRequests = 100;
/** Stream ids are used once, and there are two thousand million of them. */
const maxRequests = 1_000_000;
/** Servers close idle sessions after a minute or more, and say so before. */
const maxIdleMs = 55_000;
/** A backend that has refused a request is not asked again on the same session for so long. */
const refusalMs = 1_000;
/** RFC 9113 §6.5.2 counts so much for each field beside its name and value. */
const fieldOverheadBytes = 32;
const pseudoFields = 4;
const noBytes = Buffer.alloc(0);

/**
 * One HTTP/2 connection to a backend over a stream, which carries many exchanges at a time, of whomever they are: HTTP/2
 * knows no authentication of connections.
 */
export class BackendSession implements BackendRequestOwner {
  readonly tunnel: Tunnel;
  readonly streamId: number;
  readonly backendId: string;
  readonly backendKey: string;
  readonly pool: string;
  readonly scheme: 'http' | 'https';
  readonly limits: HeadLimits;
  readonly head: MessageHead;
  idleSince: number;
  readonly #stream: BackendStream;
  readonly #place: BackendSessionPlace;
  readonly #now: () => number;
  readonly #expectedConcurrent: number | null;
  readonly #duplex: StreamDuplex;
  readonly #session: ClientHttp2Session;
  readonly #requests = new Set<BackendRequest>();
  #touched: BackendRequest[] = [];
  #started = 0;
  #refusedAt = Number.NEGATIVE_INFINITY;
  #partial: Buffer = noBytes;
  #isOpened = false;
  /** The backend has sent bytes. */
  #hasAnswered = false;
  /** It has spoken HTTP/2. */
  #hasSpoken = false;
  #isRetired = false;
  /** The backend has sent its last byte. */
  #hasEnded = false;
  #isClosed = false;
  #endReport: EndReport | null = null;
  #error: Error | null = null;

  constructor(options: BackendSessionOptions) {
    this.tunnel = options.tunnel;
    this.streamId = options.streamId;
    this.backendId = options.to.backendId;
    this.backendKey = options.to.backendKey;
    this.pool = options.to.pool;
    this.scheme = this.backendKey.startsWith('https:') ? 'https' : 'http';
    this.limits = options.limits;
    this.head = new MessageHead(options.limits.maxFields);
    this.idleSince = options.now();
    this.#stream = options.stream;
    this.#place = options.place;
    this.#now = options.now;
    this.#expectedConcurrent = options.expectedConcurrent;
    this.#duplex = new StreamDuplex(this.#stream);
    this.#stream.onData = bytes => this.#receive(bytes);
    this.#stream.onEnd = () => void this.#ended();
    this.#stream.onError = error => this.#lost(error);
    this.#duplex.on('error', () => {});
    this.#session = this.#connect();
  }

  /** May carry another request, unless the backend has just refused one. */
  get hasRoom(): boolean {
    const { closed, destroyed } = this.#session;
    if (this.#isRetired || this.#isClosed || closed || destroyed || this.#started >= maxRequests)
      return false;
    return this.#requests.size < this.#maxConcurrent;
  }

  /** The backend has refused a request on it a moment ago. */
  get isRefusing(): boolean {
    return this.#now() - this.#refusedAt < refusalMs;
  }

  /** How many requests the backend takes at a time; null as long as it has not said so. */
  get saidConcurrent(): number | null {
    return this.#hasSpoken ? this.#maxConcurrent : null;
  }

  get isIdle(): boolean {
    return this.#requests.size === 0;
  }

  /** Idle for so long that the backend may be about to close it. */
  isOld(now: number): boolean {
    return this.isIdle && now - this.idleSince >= maxIdleMs;
  }

  /** The connector's word on how the stream ended; it comes before the end itself. */
  report(report: EndReport): void {
    this.#endReport = report;
  }

  /** Begins a request. What the connector has to know of the first one is in the stream's preamble. */
  begin(requestId: string): BackendRequest {
    const offset = this.#started === 0 ? 0 : Math.max(1, this.#duplex.offset);
    const request = new BackendRequest(this, offset, requestId);
    if (this.#started > 0 && this.tunnel.logsRequests) {
      this.tunnel.announceRequest(this.streamId, offset, requestId);
    }
    this.#started += 1;
    this.#requests.add(request);
    return request;
  }

  open(list: string[], endStream: boolean, waitForTrailers: boolean): ClientHttp2Stream {
    // Missing in the types of Node: a flat list in place of an object.
    const fields = list as unknown as OutgoingHttpHeaders;
    return this.#session.request(fields, { endStream, waitForTrailers });
  }

  touch(request: BackendRequest): void {
    request.isTouched = true;
    this.#touched.push(request);
    if (this.#touched.length === 1) setImmediate(() => this.#flush());
  }

  forget(request: BackendRequest, wasAnswered: boolean): void {
    this.#requests.delete(request);
    if (this.tunnel.logsRequests && !this.#isClosed) {
      if (wasAnswered) this.tunnel.announceAnswered(this.streamId, request.requestId);
      else this.tunnel.announceBrokenOff(this.streamId, request.requestId);
    }
    if (this.#requests.size > 0 || this.#isClosed) return;
    this.idleSince = this.#now();
    if (this.#isRetired) this.destroy();
  }

  get isOver(): boolean {
    return this.#session.destroyed;
  }

  lose(request: BackendRequest, error: Error | null): void {
    this.#error ??= error;
    request.lose(this.#explain('the session ended'), !this.#wasSent(request));
  }

  refused(): void {
    this.#refusedAt = this.#now();
  }

  /** Takes no further request, and ends with the last one that is under way. */
  retire(): void {
    this.#isRetired = true;
    if (this.isIdle) this.destroy();
  }

  /** Ends the session at once; exchanges that it still carries hear nothing of it. */
  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#place.forgetSession(this);
    this.#session.destroy();
    // The library ends its stream behind what is to be written, and after GOAWAY waits for the backend to do the same.
    const duplex = this.#duplex;
    if (duplex.isBlocked || duplex.writableFinished) duplex.destroy();
    else duplex.once('finish', () => duplex.destroy());
  }

  #connect(): ClientHttp2Session {
    const { limits } = this;
    const maxHeaderListPairs = limits.maxFields + pseudoFields;
    // strictSingleValueFields is missing in the types of Node. Clients repeat fields that should not be; backends cope.
    const options: (ClientSessionOptions | SecureClientSessionOptions) & {
      strictSingleValueFields: boolean;
    } = {
      createConnection: () => this.#duplex,
      maxHeaderListPairs,
      maxSendHeaderBlockLength: 4 * limits.maxHeadBytes,
      maxSessionMemory: maxSessionMemoryMegabytes,
      maxReservedRemoteStreams: 0,
      strictSingleValueFields: false,
      settings: {
        enablePush: false,
        initialWindowSize: streamWindowBytes,
        maxHeaderListSize: limits.maxHeadBytes + maxHeaderListPairs * fieldOverheadBytes,
      },
    };
    const session = connect(`${this.scheme}://backend`, options);
    session.once('connect', () => {
      // It comes in a later turn, also to a session that is over by then.
      if (!session.destroyed) session.setLocalWindowSize(sessionWindowBytes);
    });
    session.on('remoteSettings', () => {
      this.#hasSpoken = true;
      this.#giveBack();
    });
    session.on('goaway', (_code, lastStreamId) => this.#goneAway(lastStreamId));
    session.on('error', (error: Error) => {
      this.#error = error;
    });
    session.once('close', () => this.#fail(this.#explain('the session ended')));
    return session;
  }

  /** At least one: a backend that takes none at the moment means to take some soon (RFC 9113 §6.5.2). */
  get #maxConcurrent(): number {
    if (!this.#hasSpoken) return this.#expectedConcurrent ?? maxConcurrentRequests;
    const { maxConcurrentStreams = maxConcurrentRequests } = this.#session.remoteSettings ?? {};
    return Math.max(1, Math.min(maxConcurrentRequests, maxConcurrentStreams));
  }

  /** Requests that came before the backend said how many it takes, and now wait for others to end: not longer than need be. */
  #giveBack(): void {
    for (const request of [...this.#requests].slice(this.#maxConcurrent)) {
      if (!request.isQueued) continue;
      request.lose(new EdgeError('backend_busy', 'the backend takes fewer requests at a time'), true);
    }
  }

  #receive(bytes: Buffer): void {
    if (this.#isOpened) {
      this.#hasAnswered = true;
      return this.#duplex.receive(bytes);
    }
    const received = this.#partial.length === 0 ? bytes : Buffer.concat([this.#partial, bytes]);
    const decoded = decodeOpenAnswer(received);
    if (decoded === null) {
      this.#partial = received;
      return;
    }
    const { answer, length } = decoded;
    this.#partial = noBytes;
    this.#isOpened = true;
    this.#stream.consumed(length);
    for (const request of this.#requests) request.exchange?.onOpened(answer.detail);
    const speaksHttp2 = this.scheme === 'http' || answer.detail.alpn === 'h2';
    if (answer.code !== 'ok') {
      const detail = [answer.detail.error, answer.detail.address].filter(Boolean).join(' ');
      return this.#notReached(new EdgeError(failureOf[answer.code], detail));
    }
    if (!speaksHttp2) {
      const said = `the connector asked for ${answer.detail.alpn ?? 'no protocol'}: it is of an older release`;
      return this.#notReached(new EdgeError('backend_not_http2', said));
    }
    this.#place.opened(this, true);
    if (length < received.length) this.#receive(received.subarray(length));
  }

  #notReached(error: EdgeError): void {
    this.#place.opened(this, false, error);
    this.#fail(error, 0);
  }

  /** The backend ends the connection; above that stream it has looked at nothing (RFC 9113 §6.8). */
  #goneAway(lastStreamId: number): void {
    this.#isRetired = true;
    for (const request of [...this.#requests]) {
      const { id } = request;
      if (id !== undefined && id <= lastStreamId) continue;
      request.lose(new EdgeError('backend_busy', 'the backend is ending its connection'), true);
    }
  }

  #flush(): void {
    const touched = this.#touched;
    this.#touched = [];
    for (const request of touched) request.flush();
  }

  /** The stream has ended: answers that are here, but not yet with slow clients, go on. */
  async #ended(): Promise<void> {
    this.#isRetired = true;
    this.#hasEnded = true;
    // What came before the end is still on its way through the frames' library.
    for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve));
    if (this.#isClosed) return;
    const isStopping = this.#endReport?.reason === 'connector_stopping';
    const detail = this.#endReport?.reason ?? 'the stream ended';
    const error = isStopping ? new EdgeError('tunnel_lost', detail) : this.#explain(detail);
    for (const request of [...this.#requests]) {
      if (!request.hasEnd) request.lose(error, !this.#wasSent(request));
    }
    if (this.isIdle) this.destroy();
  }

  #lost(error: Error): void {
    // A connector keeps a stream for a while behind its end; a slow client may take longer.
    if (this.#hasEnded && isReset(error)) return;
    const report = this.#endReport;
    if (report !== null) return this.#fail(this.#explain(report.reason));
    const wasRefused = isRefusal(error);
    this.#fail(new EdgeError('tunnel_lost', error.message), wasRefused ? 0 : Number.POSITIVE_INFINITY);
  }

  #explain(said: string): EdgeError {
    const detail = this.#error?.message ?? said;
    const isOther = this.#hasAnswered && !this.#hasSpoken;
    return new EdgeError(isOther ? 'backend_not_http2' : 'backend_closed', detail);
  }

  /** @param sentBytes How much the backend got of what was sent, where that is known. */
  #fail(error: EdgeError, sentBytes?: number): void {
    if (this.#isClosed) return;
    const requests = [...this.#requests];
    this.destroy();
    for (const request of requests) {
      const wasSent = sentBytes === undefined ? this.#wasSent(request) : sentBytes > request.offset;
      request.lose(error, !wasSent);
    }
  }

  #wasSent(request: BackendRequest): boolean {
    if (this.#endReport !== null) return this.#endReport.bytesWritten > request.offset;
    return this.#isOpened;
  }
}
