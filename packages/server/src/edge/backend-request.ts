import { type ClientHttp2Stream, constants } from 'node:http2';
import { Readable } from 'node:stream';
import { BodyReader, type BodySink } from '../http1/body.ts';
import { Http1Error } from '../http1/error.ts';
import { type HeadLimits, type MessageHead, parseRequestHead } from '../http1/head.ts';
import type { Tunnel } from '../tunnels/tunnel.ts';
import { listRequestFields, parseAnswerFields, parseTrailerFields } from './backend-field-lists.ts';
import type { BackendCarrier, Exchange } from './exchange.ts';
import { EdgeError } from './failure.ts';
import { trailerFields } from './trailer-fields.ts';

/** What a request needs of the session that carries it. */
export interface BackendRequestOwner {
  readonly tunnel: Tunnel;
  readonly scheme: 'http' | 'https';
  readonly limits: HeadLimits;
  /** Parsed into by one request after the other. */
  readonly head: MessageHead;
  /** @throws Error if the session takes no more. */
  open(list: string[], endStream: boolean, waitForTrailers: boolean): ClientHttp2Stream;
  /** Something came that goes on at the end of this turn of the event loop. */
  touch(request: BackendRequest): void;
  /** The request is over for its exchange; frames of it may still come. */
  forget(request: BackendRequest, wasAnswered: boolean): void;
  /** The backend took no such request now. */
  refused(): void;
  /** Whether the session is over; then {@link lose} says what the end of a stream means. */
  readonly isOver: boolean;
  lose(request: BackendRequest, error: Error | null): void;
}

const {
  NGHTTP2_CANCEL,
  NGHTTP2_REFUSED_STREAM,
  NGHTTP2_PROTOCOL_ERROR,
  NGHTTP2_ENHANCE_YOUR_CALM,
  NGHTTP2_STREAM_STATE_IDLE,
} = constants;
const endStreamFlag = 1;
const noTrailers = Buffer.alloc(0);
/** A head of ours has more than the client sent: the relay's own fields. */
const ownFields = 150;
const ownBytes = 256 * 1024;

/**
 * One exchange on a stream of an HTTP/2 session with a backend: takes the request in the form of HTTP/1.1 and sends it as
 * frames, and gives the answer back in the form of HTTP/1.1.
 */
export class BackendRequest implements BackendCarrier, BodySink {
  readonly tunnel: Tunnel;
  /** Of the session when the request began: whatever the backend got of it lies behind. */
  readonly offset: number;
  readonly requestId: string;
  /** HTTP/2 has no connections that a client could be bound to. */
  isPinned = false;
  isClosed = false;
  isTouched = false;
  readonly #owner: BackendRequestOwner;
  readonly #body = new BodyReader();
  #stream: ClientHttp2Stream | null = null;
  #exchange: Exchange | null = null;
  #hasRoom = true;
  #hasAnswer = false;
  /** Of the answer; -1 where its head does not say. */
  #remaining = -1;
  #isBodiless = false;
  /** The last frame of the answer has come. */
  #hasEnd = false;
  #trailers: Buffer = noTrailers;
  #error: Error | null = null;

  constructor(owner: BackendRequestOwner, offset: number, requestId: string) {
    this.#owner = owner;
    this.tunnel = owner.tunnel;
    this.offset = offset;
    this.requestId = requestId;
  }

  /** Of the frames; undefined before. */
  get id(): number | undefined {
    return this.#stream?.id;
  }

  /** Nothing of the request has gone out yet. */
  get isQueued(): boolean {
    const stream = this.#stream;
    // What the library has forgotten again, because all of the answer is here, looks idle too.
    return stream !== null && !stream.closed && stream.state.state === NGHTTP2_STREAM_STATE_IDLE;
  }

  /** All of the answer is here, though perhaps not with the client. */
  get hasEnd(): boolean {
    return this.#hasEnd;
  }

  get exchange(): Exchange | null {
    return this.#exchange;
  }

  attach(exchange: Exchange): void {
    this.#exchange = exchange;
    this.tunnel.outstanding += 1;
  }

  /** The head, whole, and afterwards the framed body. */
  write(bytes: Buffer): boolean {
    if (this.#exchange === null) return true;
    if (this.#stream === null) this.#begin(bytes);
    else this.#body.read(bytes, 0, bytes.length, this);
    if (this.#body.isDone) this.#stream?.end();
    return this.#hasRoom;
  }

  /** A part of the request's content. */
  onData(bytes: Buffer, start: number, end: number): void {
    const stream = this.#stream;
    if (stream === null || stream.destroyed || stream.writableEnded) return;
    this.#hasRoom = stream.write(bytes.subarray(start, end));
  }

  endWrite(): void {
    throw new TypeError('a request over HTTP/2 is no upgrade');
  }

  release(): void {}

  /** The client has room again. */
  resume(): void {
    if (this.#stream?.isPaused() && this.#exchange?.isClientWritable) this.#stream.resume();
  }

  /** Ends the request at once; its exchange hears nothing of it. */
  destroy(): void {
    if (this.isClosed) return;
    this.#detach();
    this.#cancel();
  }

  /** What came in this turn goes on. */
  flush(): void {
    this.isTouched = false;
    const exchange = this.#exchange;
    if (exchange === null) return;
    exchange.flush();
    if (!exchange.isClientWritable) this.#stream?.pause();
  }

  /** The request will not be answered any more. */
  lose(error: EdgeError, wasNotSent: boolean): void {
    const exchange = this.#exchange;
    if (this.isClosed || exchange === null) return;
    this.#detach();
    this.#cancel();
    exchange.onConnectionLost(this, error, wasNotSent);
  }

  #begin(bytes: Buffer): void {
    const { limits, head, scheme } = this.#owner;
    const widened = {
      maxHeadBytes: limits.maxHeadBytes + ownBytes,
      maxFields: limits.maxFields + ownFields,
      maxTargetBytes: limits.maxTargetBytes + ownBytes,
    };
    if (!parseRequestHead(bytes, 0, bytes.length, widened, head)) throw new TypeError('a head is whole');
    this.#body.begin(head);
    const isDone = this.#body.isDone;
    try {
      this.#listen(this.#owner.open(listRequestFields(head, scheme), isDone, head.isChunked));
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      // Not from in here: whoever sends is not done with its own state.
      process.nextTick(() => this.lose(new EdgeError('backend_closed', detail), true));
    }
  }

  #listen(stream: ClientHttp2Stream): void {
    this.#stream = stream;
    // A reset without an error looks like an end to whoever reads a stream; only an end of the frames comes before it
    // is closed.
    stream.push = (piece, encoding) => {
      if (piece === null && !stream.closed) this.#hasEnd = true;
      return Readable.prototype.push.call(stream, piece, encoding);
    };
    stream.on('headers', (_fields: unknown, _flags: number, list?: readonly string[]) =>
      this.#guard(() => this.#inform(list!)),
    );
    stream.once('response', (_fields: unknown, flags: number, list?: readonly string[]) =>
      this.#guard(() => this.#answer(list!, (flags & endStreamFlag) !== 0)),
    );
    stream.on('trailers', (_fields: unknown, _flags: number, list?: readonly string[]) =>
      this.#guard(() => {
        this.#trailers = parseTrailerFields(list!, this.#owner.limits);
      }),
    );
    stream.on('wantTrailers', () => this.#sendTrailers());
    stream.on('drain', () => {
      this.#hasRoom = true;
      this.#exchange?.onRequestDrain();
    });
    stream.on('end', () => {
      if (this.#hasEnd) this.#guard(() => this.#finish());
    });
    // `close` follows, and says what it was.
    stream.on('error', error => {
      this.#error = error;
    });
    stream.once('close', () => this.#closed());
  }

  #sendTrailers(): void {
    const stream = this.#stream!;
    if (!stream.closed && !stream.destroyed) stream.sendTrailers(trailerFields(this.#body.trailers));
  }

  #guard(step: () => void): void {
    if (this.#exchange === null) return;
    try {
      step();
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.lose(new EdgeError('bad_response', error.reason), false);
    }
  }

  #inform(list: readonly string[]): void {
    const { head, limits } = this.#owner;
    const exchange = this.#exchange!;
    parseAnswerFields(list, exchange.method, false, limits, head);
    exchange.onInformational(head);
  }

  #answer(list: readonly string[], isWhole: boolean): void {
    const { head, limits } = this.#owner;
    const exchange = this.#exchange!;
    parseAnswerFields(list, exchange.method, isWhole, limits, head);
    this.#hasAnswer = true;
    this.#isBodiless = head.bodyKind === 'none';
    this.#remaining = head.bodyKind === 'length' ? head.contentLength : -1;
    if (isWhole && this.#remaining > 0) throw new Http1Error('bad_content_length', true);
    exchange.onResponse(head);
    if (this.isClosed) return;
    this.#owner.touch(this);
    this.#stream!.on('data', (bytes: Buffer) => this.#receive(bytes));
  }

  #receive(bytes: Buffer): void {
    const exchange = this.#exchange;
    if (exchange === null || this.#isBodiless || bytes.length === 0) return;
    if (this.#remaining >= 0) {
      this.#remaining -= bytes.length;
      // The frames' library looks at this too; an answer of another length than its head says could hold a second one.
      if (this.#remaining < 0) return this.lose(new EdgeError('bad_response', 'bad_content_length'), false);
    }
    exchange.onResponseBody(bytes, 0, bytes.length);
    if (!this.isTouched) this.#owner.touch(this);
  }

  #finish(): void {
    const exchange = this.#exchange!;
    if (!this.#hasAnswer || this.#remaining > 0) throw new Http1Error('bad_content_length', true);
    this.#detach(true);
    // The rest of a request that was answered before its end is wanted by nobody, and would keep its place at the backend.
    if (this.#stream!.state.localClose !== 1) this.#cancel();
    exchange.onResponseEnd(this, this.#trailers);
  }

  #closed(): void {
    const stream = this.#stream!;
    if (this.isClosed) return;
    // A backend that wants no more of the request resets the stream behind its answer.
    if (this.#hasEnd && this.#hasAnswer && stream.readableLength === 0) {
      return this.#guard(() => this.#finish());
    }
    if (this.#owner.isOver) return this.#owner.lose(this, this.#error);
    const code = stream.rstCode ?? 0;
    if (code === NGHTTP2_REFUSED_STREAM) {
      this.#owner.refused();
      return this.lose(new EdgeError('backend_busy', 'the backend refused the stream'), true);
    }
    const isMalformed = code === NGHTTP2_PROTOCOL_ERROR || code === NGHTTP2_ENHANCE_YOUR_CALM;
    const detail = `the stream was reset with code ${code}`;
    this.lose(new EdgeError(isMalformed ? 'bad_response' : 'backend_reset', detail), false);
  }

  #detach(wasAnswered = false): void {
    this.isClosed = true;
    if (this.#exchange === null) return;
    this.#exchange = null;
    this.tunnel.outstanding -= 1;
    this.#owner.forget(this, wasAnswered);
  }

  #cancel(): void {
    const stream = this.#stream;
    if (stream === null || stream.closed || stream.destroyed) return;
    // close() ends the writable side before it resets the stream, and that end would go out first: a backend would take
    // half of a request for the whole.
    stream._final = done => done();
    stream.close(NGHTTP2_CANCEL);
    stream.resume();
  }
}
