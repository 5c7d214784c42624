import { decodeOpenAnswer, type OpenFailure } from '@postern/protocol/tunnel/preamble';
import { YamuxError } from '@postern/protocol/yamux/errors';
import { BodyReader, type BodySink } from '../http1/body.ts';
import { Http1Error } from '../http1/error.ts';
import { fieldIds } from '../http1/fields.ts';
import { type HeadLimits, HeadReader, MessageHead } from '../http1/head.ts';
import type { EndReport, Tunnel } from '../tunnels/tunnel.ts';
import type { BackendStream } from './backend-stream.ts';
import type { BackendCarrier, Exchange } from './exchange.ts';
import { EdgeError, type FailureCode } from './failure.ts';

/** Where a connection came from and goes back to. */
export interface BackendPlace {
  /** The exchange is over and the connection may carry another. */
  release(connection: BackendConnection): void;
  /** The connection is gone. */
  forget(connection: BackendConnection): void;
  /** The connector has said whether it could reach the backend, and if not, why. */
  opened(connection: BackendConnection, wasReached: boolean, failure?: EdgeError): void;
}

export interface BackendConnectionOptions {
  readonly stream: BackendStream;
  /** Of the tunnel's stream; 0 for the control process. */
  readonly streamId: number;
  /** Null for the control process. */
  readonly tunnel: Tunnel | null;
  /** What the connector knows the backend by. */
  readonly backendId: string;
  readonly backendKey: string;
  /** Whose exchanges it may carry: those of the routes with this pool. */
  readonly pool: string;
  readonly place: BackendPlace;
  readonly limits: HeadLimits;
}

/** Servers close idle connections after 5 s or more; ours must be gone before (architecture.md §3). */
const maxIdleMs = 4_000;
/**
 * So much of what waited for the client goes on at once. The rest waits here, where it is only held: TLS copies and
 * encrypts all that its socket has queued in one go, which for a whole window doubles what a slow client costs.
 */
const maxTurnBytes = 256 * 1024;
const noBytes = Buffer.alloc(0);

export const failureOf: Record<OpenFailure, FailureCode> = {
  unknown_application: 'no_connector',
  not_allowed: 'dial_not_allowed',
  name_not_resolved: 'name_not_resolved',
  connection_refused: 'backend_refused',
  connection_timed_out: 'connect_timeout',
  unreachable: 'backend_refused',
  tls_failed: 'backend_tls',
  no_http2: 'backend_not_http2',
  busy: 'connector_busy',
  internal: 'backend_refused',
};

type Phase = 'opening' | 'idle' | 'head' | 'body' | 'raw' | 'closed';

/**
 * One HTTP/1.1 connection to a backend over a stream: sends one exchange's request after the other, reads the answers,
 * and knows when the connection may be used again.
 */
export class BackendConnection implements BackendCarrier, BodySink {
  readonly tunnel: Tunnel | null;
  readonly streamId: number;
  readonly backendId: string;
  readonly backendKey: string;
  readonly pool: string;
  /** Set while the connection belongs to one client connection because its backend authenticates connections. */
  isPinned = false;
  idleSince = 0;
  idleLimitMs = maxIdleMs;
  /** Bytes handed to the stream after the preamble. */
  offset = 0;
  readonly #stream: BackendStream;
  readonly #place: BackendPlace;
  readonly #limits: HeadLimits;
  readonly #head = new MessageHead();
  readonly #headReader = new HeadReader();
  readonly #body = new BodyReader();
  #phase: Phase;
  #exchange: Exchange | null = null;
  #partial: Buffer = noBytes;
  #unconsumed = 0;
  /** Bytes of an answer whose client has no room. */
  #waiting: Buffer[] = [];
  /** The stream has ended behind what waits. */
  #endsAfterWaiting = false;
  /** The stream was reset behind what waits. */
  #breaksAfterWaiting: EdgeError | null = null;
  #endReport: EndReport | null = null;
  #keepAlive = true;

  constructor(options: BackendConnectionOptions) {
    this.tunnel = options.tunnel;
    this.streamId = options.streamId;
    this.backendId = options.backendId;
    this.backendKey = options.backendKey;
    this.pool = options.pool;
    this.#stream = options.stream;
    this.#place = options.place;
    this.#limits = options.limits;
    this.#phase = options.tunnel === null ? 'idle' : 'opening';
    this.#stream.onData = bytes => this.#receive(bytes);
    this.#stream.onEnd = () => this.#ended();
    this.#stream.onError = error => this.#broke(error);
    this.#stream.onDrain = () => this.#exchange?.onRequestDrain();
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  /** The connector's word on how the stream ended; it comes before the end itself. */
  report(report: EndReport): void {
    this.#endReport = report;
  }

  /** Binds the connection to an exchange until it is released or closed. */
  attach(exchange: Exchange): void {
    this.#exchange = exchange;
    if (this.#phase === 'idle') this.#phase = 'head';
    if (this.tunnel === null) return;
    this.tunnel.outstanding += 1;
    // The first request of a stream is in its preamble.
    if (this.tunnel.logsRequests && this.offset > 0) {
      this.tunnel.announceRequest(this.streamId, this.offset, exchange.requestId);
    }
  }

  /** False: stop until the exchange's `onRequestDrain`. */
  write(bytes: Buffer): boolean {
    this.offset += bytes.length;
    return this.#stream.write(bytes);
  }

  /** After an upgrade: the client has sent its last byte. */
  endWrite(): void {
    this.#stream.end();
  }

  /** The client has room again. */
  resume(): void {
    this.#grant();
    while (this.#waiting.length > 0 && this.#exchange?.isClientWritable) this.#takeTurn(this.#exchange);
    if (this.#waiting.length > 0) return;
    if (this.#endsAfterWaiting) this.#ended();
    else if (this.#breaksAfterWaiting !== null) this.#lost(this.#breaksAfterWaiting);
  }

  /** Ends the connection at once; its exchange hears nothing of it. */
  destroy(): void {
    if (this.#phase === 'closed') return;
    this.#close();
    this.#stream.reset();
  }

  #receive(bytes: Buffer): void {
    const exchange = this.#exchange;
    if (exchange !== null && this.#mustWait(exchange)) this.#waiting.push(bytes);
    else if (this.#read(bytes)) this.#passedOn(exchange, bytes.length);
  }

  /** Heads never wait: until one is read, the exchange's time runs. */
  #mustWait(exchange: Exchange): boolean {
    if (this.#waiting.length > 0) return true;
    return (this.#phase === 'body' || this.#phase === 'raw') && !exchange.isClientWritable;
  }

  #takeTurn(exchange: Exchange): void {
    let length = 0;
    while (this.#waiting.length > 0 && length < maxTurnBytes) {
      const bytes = this.#waiting.shift()!;
      if (!this.#read(bytes)) return;
      length += bytes.length;
    }
    this.#passedOn(exchange, length);
  }

  /** False: the connection is closed. */
  #read(bytes: Buffer): boolean {
    try {
      this.#process(bytes);
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#fail(new EdgeError('bad_response', error.reason));
    }
    return this.#phase !== 'closed';
  }

  #passedOn(exchange: Exchange | null, length: number): void {
    exchange?.flush();
    this.#unconsumed += length;
    // Nobody resumes for an exchange that is over: what it left unsaid would be missing in the window for good.
    const isOver = this.#exchange !== exchange;
    if (isOver || (exchange?.isClientWritable ?? true)) this.#grant();
  }

  #grant(): void {
    const length = this.#unconsumed;
    if (length === 0) return;
    this.#unconsumed = 0;
    this.#stream.consumed(length);
  }

  #process(received: Buffer): void {
    let bytes = received;
    let at = 0;
    if (this.#partial.length > 0) {
      bytes = Buffer.concat([this.#partial, received]);
      this.#partial = noBytes;
    }
    if (this.#phase === 'opening') {
      at = this.#readOpenAnswer(bytes);
      if (at < 0) return;
    }
    while (at < bytes.length) {
      switch (this.#phase) {
        case 'head':
          if (!this.#readHead(bytes, at)) return;
          at = this.#head.end;
          this.#startBody(at < bytes.length);
          break;
        case 'body':
          at = this.#body.read(bytes, at, bytes.length, this);
          if (this.#body.isDone) this.#finish(at < bytes.length);
          break;
        case 'raw':
          this.#exchange!.onResponseBody(bytes, at, bytes.length);
          return;
        default:
          // Nobody asked: what follows an answer could only be taken for the next one (threat A15).
          if (this.#phase !== 'closed') this.destroy();
          return;
      }
    }
  }

  /** A part of the answer's content. */
  onData(bytes: Buffer, start: number, end: number): void {
    this.#exchange!.onResponseBody(bytes, start, end);
  }

  #readOpenAnswer(bytes: Buffer): number {
    const decoded = decodeOpenAnswer(bytes);
    if (decoded === null) {
      this.#partial = bytes;
      return -1;
    }
    const { answer, length } = decoded;
    this.#exchange?.onOpened(answer.detail);
    if (answer.code === 'ok') {
      this.#place.opened(this, true);
      this.#phase = this.#exchange === null ? 'idle' : 'head';
      return length;
    }
    const exchange = this.#exchange;
    const detail = [answer.detail.error, answer.detail.address].filter(Boolean).join(' ');
    const failure = new EdgeError(failureOf[answer.code], detail);
    this.#place.opened(this, false, failure);
    this.#close();
    this.#stream.reset();
    exchange?.onConnectionLost(this, failure, true);
    return -1;
  }

  #readHead(bytes: Buffer, at: number): boolean {
    const method = this.#exchange!.method;
    if (this.#headReader.readResponse(bytes, at, bytes.length, this.#limits, method, this.#head)) return true;
    this.#partial = at === 0 ? bytes : bytes.subarray(at);
    return false;
  }

  #startBody(hasMore: boolean): void {
    const head = this.#head;
    const exchange = this.#exchange!;
    if (head.status === 101) {
      if (!exchange.isUpgrade) throw new Http1Error('bad_status_line', true);
      this.#phase = 'raw';
      exchange.onUpgraded(head);
      return;
    }
    if (head.status < 200) {
      exchange.onInformational(head);
      return;
    }
    this.#keepAlive = head.keepAlive;
    this.#noteKeepAlive();
    this.#body.begin(head);
    this.#phase = 'body';
    exchange.onResponse(head);
    if (this.#phase === 'body' && this.#body.isDone) this.#finish(hasMore);
  }

  /** `Keep-Alive: timeout=n` is how long the backend keeps an idle connection; ours must end before. */
  #noteKeepAlive(): void {
    const index = this.#head.find(fieldIds.keepAlive);
    this.idleLimitMs = maxIdleMs;
    if (index < 0) return;
    const match = /timeout=(\d{1,6})/i.exec(this.#head.valueOf(index));
    if (match) this.idleLimitMs = Math.max(0, Math.min(maxIdleMs, Number(match[1]) * 1_000 - 1_000));
  }

  #finish(hasMore: boolean): void {
    const exchange = this.#exchange!;
    const isLast = !hasMore && this.#waiting.length === 0 && !this.#endsAfterWaiting;
    const isReusable =
      this.#keepAlive && isLast && exchange.isRequestDone && this.#breaksAfterWaiting === null;
    if (this.tunnel?.logsRequests) this.tunnel.announceAnswered(this.streamId);
    this.#detach();
    if (isReusable) this.#phase = 'idle';
    else {
      this.#close();
      this.#stream.reset();
    }
    exchange.onResponseEnd(this, this.#body.trailers);
  }

  /** Gives the connection back after the exchange has done with it. */
  release(now: number): void {
    if (this.#phase !== 'idle') return;
    this.idleSince = now;
    this.#place.release(this);
  }

  #ended(): void {
    if (this.#phase === 'closed') return;
    this.#endsAfterWaiting = this.#waiting.length > 0;
    if (this.#endsAfterWaiting) return;
    const exchange = this.#exchange;
    if (this.#phase === 'raw') {
      exchange?.sink.onResponseEnd(noBytes);
      exchange?.flush();
      return;
    }
    if (this.#phase === 'body' && this.#body.end()) {
      this.#keepAlive = false;
      this.#finish(false);
      exchange?.flush();
      return;
    }
    const reason = this.#endReport?.reason === 'connector_stopping' ? 'tunnel_lost' : 'backend_closed';
    this.#lost(new EdgeError(reason, this.#endReport?.reason ?? 'the stream ended'));
  }

  // What came before a reset goes on to a client that is slow: it may be the whole answer, of a backend that went away with a
  // reset, or of one that ended, and whose stream the connector did not keep for longer.
  #broke(error: Error): void {
    const failure = new EdgeError('tunnel_lost', error.message);
    if (isReset(error) && this.#phase === 'body' && this.#waiting.length > 0)
      this.#breaksAfterWaiting = failure;
    else this.#lost(failure, isRefusal(error));
  }

  #lost(error: EdgeError, wasRefused = false): void {
    if (this.#phase === 'closed') return;
    const exchange = this.#exchange;
    const report = this.#endReport;
    const wasOpening = this.#phase === 'opening';
    this.#close();
    this.#stream.reset();
    if (exchange === null) return;
    const cause =
      report !== null && error.code === 'tunnel_lost'
        ? new EdgeError('backend_closed', report.reason)
        : error;
    // While opening nothing was handed on, nor by a connector that took no stream any more; a report says how much was.
    const wasSent =
      report !== null
        ? report.bytesWritten > exchange.startOffset
        : !wasRefused && (!wasOpening || error.code === 'tunnel_lost');
    exchange.onConnectionLost(this, cause, !wasSent);
  }

  #fail(error: EdgeError): void {
    const exchange = this.#exchange;
    this.#close();
    this.#stream.reset();
    exchange?.onConnectionLost(this, error, false);
  }

  #close(): void {
    this.#phase = 'closed';
    this.#waiting = [];
    this.#endsAfterWaiting = false;
    this.#breaksAfterWaiting = null;
    this.#detach();
    this.#place.forget(this);
  }

  #detach(): void {
    if (this.#exchange === null) return;
    this.#exchange = null;
    if (this.tunnel) this.tunnel.outstanding -= 1;
  }
}

/** The connector did not take the stream, and has read none of it. */
export function isRefusal(error: Error): boolean {
  return error instanceof YamuxError && error.code === 'refused';
}

/** The connector has let go of the stream; the tunnel is there. */
export function isReset(error: Error): boolean {
  return error instanceof YamuxError && error.code === 'reset';
}
