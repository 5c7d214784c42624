import {
  constants,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  type ServerStreamResponseOptions,
} from 'node:http2';
import { ChunkedDecoder, encodeChunk, encodeLastChunk } from '../http1/body.ts';
import { Http1Error } from '../http1/error.ts';
import { fieldIds } from '../http1/fields.ts';
import { type BodyKind, type HeadLimits, type MessageHead, parseRequestHead } from '../http1/head.ts';
import { filterTrailers } from '../translation/request-head.ts';
import { listResponseFields } from '../translation/response-head.ts';
import type { EdgeParts } from './edge-parts.ts';
import type { Exchange, ResponseSink } from './exchange.ts';
import { EdgeError, failureCodeOf } from './failure.ts';
import { MalformedRequest, parseFieldList } from './http2-request-head.ts';
import { failureAnswer, type LocalAnswer, withFields } from './local-answer.ts';
import { namesConnectionScheme } from './pinned-connections.ts';
import {
  addressesOf,
  type ClientContext,
  handleRequest,
  interimChanges,
  type RequestOutcome,
} from './request.ts';
import { trailerFields } from './trailer-fields.ts';
import { baseWindowBytes, type UploadProgress, type UploadWindows } from './upload-windows.ts';
import { closeFrame, FrameTracker } from './websocket-frames.ts';
import { acceptsWebSocket } from './websocket-handshake.ts';

/** What the streams of a connection share. */
export interface Http2RequestParts {
  readonly edge: EdgeParts;
  readonly context: ClientContext;
  readonly uploads: UploadWindows;
  /** Parsed into by one request after the other; a request that keeps it puts another one here. */
  head: MessageHead;
  newHead(): MessageHead;
}

/** Answers up to this size go out in one write. */
const maxJoinBytes = 64 * 1024;
/** How long a client may take to end its side of a WebSocket after the backend's has ended. */
const maxHalfClosedMs = 5_000;

const { NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL } = constants;
const { NGHTTP2_HTTP_1_1_REQUIRED, NGHTTP2_ENHANCE_YOUR_CALM } = constants;
// Missing in the types of Node: whether it adds a Date where the backend sent none.
type RespondOptions = ServerStreamResponseOptions & { readonly sendDate: boolean };
const headOnly: RespondOptions = { endStream: true, sendDate: false };
const withContent: RespondOptions = { sendDate: false };
const withTrailers: RespondOptions = { waitForTrailers: true, sendDate: false };
const noPieces: Buffer[] = [];
const none = Buffer.alloc(0);

/**
 * One request of an HTTP/2 connection and its answer: turns the stream's field list and content into the HTTP/1.1 that
 * goes through admission and to the backend, and the backend's answer into frames.
 */
export class Http2Request implements ResponseSink {
  /** The stream ended before its time, and not by our doing. */
  isBroken = false;
  readonly #stream: ServerHttp2Stream;
  readonly #parts: Http2RequestParts;
  #exchange: Exchange | null = null;
  #headBytes: Buffer = none;
  #isHead = false;
  #wantsTrailers = false;
  #bodyKind: BodyKind = 'none';
  #remaining = 0;
  #isRequestDone: boolean;
  #requestTrailers: Buffer = none;
  #isPaused = false;
  /** Once its content is read. */
  #upload: UploadProgress | null = null;
  /** The answer's field list, until it is sent. */
  #fields: string[] | null = null;
  #isBodiless = false;
  #sendsTrailers = false;
  #pieces: Buffer[] = noPieces;
  #isEnding = false;
  #isAnswered = false;
  /** Of the handshake that the backend has to accept; null where the request is none (RFC 8441). */
  #webSocketKey: string | null = null;
  /** After the handshake: what goes to the client. */
  #frames: FrameTracker | null = null;
  #endedAt = 0;
  #needsDrain = false;
  #lastActiveAt: number;
  #unsentBefore = 0;
  /** When the client took something of its answer last, as far as that shows. */
  #takenAt: number;

  constructor(stream: ServerHttp2Stream, parts: Http2RequestParts) {
    this.#stream = stream;
    this.#parts = parts;
    this.#isRequestDone = stream.endAfterHeaders;
    this.#lastActiveAt = parts.edge.now();
    this.#takenAt = this.#lastActiveAt;
  }

  get isWritable(): boolean {
    return !this.#needsDrain;
  }

  get unreadBytes(): number {
    return this.#stream.readableLength;
  }

  /** Of the content: what has come since it was last asked for. */
  takeRecentBytes(): number {
    if (this.#upload === null) return 0;
    const { recentBytes } = this.#upload;
    this.#upload.recentBytes = 0;
    return recentBytes;
  }

  /** More content waits for the backend than a window that has not grown could hold. */
  get isStuck(): boolean {
    return this.#isPaused && this.unreadBytes > baseWindowBytes;
  }

  /** Takes the request from its field list to its outcome. */
  begin(list: readonly string[]): void {
    const parts = this.#parts;
    const { head } = parts;
    try {
      this.#webSocketKey = parseFieldList(list, !this.#isRequestDone, parts.edge.limits.head, head);
      this.#headBytes = head.bytes;
      this.#isHead = head.method === 'HEAD';
      this.#bodyKind = head.bodyKind;
      this.#remaining = head.bodyKind === 'length' ? head.contentLength : 0;
      this.#wantsTrailers = head.find(fieldIds.te) >= 0;
      // Such a scheme authenticates a connection, which here carries many requests; clients know HTTP/1.1 for that.
      if (namesConnectionScheme(head, fieldIds.authorization)) return this.#reset(NGHTTP2_HTTP_1_1_REQUIRED);
      const outcome = handleRequest(head, parts.context, this, parts.edge);
      if (outcome.kind !== 'later') return this.#follow(outcome);
      // The head stays as it is until the outcome is there, while other streams go on.
      parts.head = parts.newHead();
      void this.#waitFor(outcome.outcome);
    } catch (error) {
      this.#refuse(error);
    }
  }

  async #waitFor(outcome: Promise<RequestOutcome>): Promise<void> {
    try {
      const known = await outcome;
      if (!this.#stream.closed) return this.#follow(known);
      if (known.kind === 'exchange') known.exchange.abort();
    } catch (error) {
      this.#refuse(error);
    }
  }

  #follow(outcome: RequestOutcome): void {
    if (outcome.kind === 'later') throw new TypeError('a session is asked for once');
    if (outcome.kind === 'answer') {
      this.#parts.edge.onLocalAnswer(outcome.answer.status, outcome.requestId, outcome.host);
      this.#answer(outcome.answer);
      return;
    }
    this.#exchange = outcome.exchange;
    outcome.exchange.start();
    if (this.#isRequestDone || this.#exchange === null) return;
    // A reset with NO_ERROR closes a stream only after its content is read, which may be never while it is paused.
    this.#stream.once('aborted', () => this.closed());
    // What comes before a backend has accepted a handshake waits in the stream's window (threat A7).
    if (this.#webSocketKey === null) this.#readBody();
  }

  #readBody(): void {
    const stream = this.#stream;
    stream.on('trailers', (_fields: unknown, _flags: number, list: string[]) => this.#receiveTrailers(list));
    stream.on('end', () => this.#bodyEnded());
    stream.on('data', (bytes: Buffer) => this.#receive(bytes));
  }

  #readFrames(exchange: Exchange): void {
    const stream = this.#stream;
    // Nothing but DATA may follow (RFC 9113 §8.5).
    stream.on('trailers', () => this.#breakOff());
    stream.on('end', () => {
      this.#isRequestDone = true;
      if (!stream.closed) exchange.endUpgraded();
    });
    stream.on('data', (bytes: Buffer) => {
      this.#noteArrival(bytes.length);
      if (!exchange.writeBody(bytes)) this.#pause();
    });
  }

  #noteArrival(bytes: number): void {
    const now = this.#parts.edge.now();
    this.#upload ??= { bytes: 0, since: this.#lastActiveAt, recentBytes: 0 };
    this.#lastActiveAt = now;
    this.#parts.uploads.count(this.#upload, bytes, now);
  }

  #receive(bytes: Buffer): void {
    this.#noteArrival(bytes.length);
    const exchange = this.#exchange;
    if (exchange === null) return;
    let framed = bytes;
    if (this.#bodyKind === 'chunked') framed = encodeChunk(bytes, 0, bytes.length);
    else {
      // The frames' library checks this too; a body of another length than its head says is how requests are smuggled.
      this.#remaining -= bytes.length;
      if (this.#remaining < 0) return this.#breakOff();
    }
    if (!exchange.writeBody(framed)) this.#pause();
  }

  /** Trailers are read, limited and filtered as those of HTTP/1.1. */
  #receiveTrailers(list: readonly string[]): void {
    if (this.#bodyKind !== 'chunked') return;
    let section = '0\r\n';
    for (let at = 0; at < list.length; at += 2) section += `${list[at]}: ${list[at + 1]}\r\n`;
    const bytes = Buffer.from(`${section}\r\n`, 'latin1');
    const decoder = new ChunkedDecoder();
    decoder.begin(false);
    try {
      const end = decoder.read(bytes, 0, bytes.length, nobody);
      if (end !== bytes.length) return this.#breakOff();
      this.#requestTrailers = decoder.trailers;
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#breakOff();
    }
  }

  #bodyEnded(): void {
    const exchange = this.#exchange;
    if (exchange === null || this.#stream.closed) {
      this.#isRequestDone = true;
      return;
    }
    if (this.#remaining > 0) return this.#breakOff();
    this.#isRequestDone = true;
    exchange.endBody();
    if (this.#bodyKind !== 'chunked') return;
    const { reserved } = this.#parts.edge.identity;
    const trailers = filterTrailers(this.#requestTrailers, reserved, exchange.route.requestHeaders);
    exchange.writeBody(encodeLastChunk(trailers));
  }

  /** The content is not what the head promised: the backend must not take what it has for the whole. */
  #breakOff(): void {
    this.isBroken = true;
    this.#reset(NGHTTP2_PROTOCOL_ERROR);
  }

  onInformational(head: MessageHead): void {
    if (this.#stream.closed || this.#stream.destroyed) return;
    const list = listResponseFields(head, interimChanges(this.#exchange!));
    if (!this.#fits(list)) return;
    // Without what every object has: a field may be called `constructor`.
    const fields: OutgoingHttpHeaders = Object.create(null);
    for (let at = 0; at < list.length; at += 2) {
      const name = list[at]!;
      // Some servers write one, and clients take the whole answer for malformed (RFC 9110 §8.6).
      if (name === 'content-length') continue;
      const before = fields[name];
      fields[name] = before === undefined ? list[at + 1] : [before, list[at + 1]].flat().map(String);
    }
    this.#stream.additionalHeaders(fields);
  }

  onResponse(head: MessageHead): void {
    const exchange = this.#exchange!;
    const { route, isPersonalPage } = exchange;
    const isConnectionScheme = head.status === 401 && namesConnectionScheme(head, fieldIds.wwwAuthenticate);
    if (isConnectionScheme) return this.#reset(NGHTTP2_HTTP_1_1_REQUIRED);
    // Three digits beyond 599 are no status (RFC 9110 §15), and cannot be sent.
    if (head.status > 599) return this.#reset(NGHTTP2_INTERNAL_ERROR);
    if (this.#webSocketKey !== null && head.status < 300) {
      // A client of HTTP/2 would take it for the start of its WebSocket (RFC 8441 §5).
      return exchange.refuseAnswer(new EdgeError('bad_response', `${head.status} in place of an upgrade`));
    }
    this.#fields = listResponseFields(head, {
      addresses: addressesOf(route),
      links: exchange.links,
      changesContent: exchange.changesContent,
      keepsOwnCookies: route.backend === 'control',
      isPersonalPage,
      custom: route.responseHeaders,
      claims: exchange,
      addsHttpOnly: route.addsHttpOnly,
      cors: exchange.cors,
      timing: exchange.serverTiming,
    });
    if (!this.#fits(this.#fields)) {
      this.#fields = null;
      return exchange.refuseAnswer(tooLong());
    }
    this.#isBodiless = head.bodyKind === 'none';
    if (head.status === 205) this.#dropContent(this.#fields);
    this.#sendsTrailers =
      head.bodyKind === 'chunked' && (this.#wantsTrailers || head.find(fieldIds.trailer) >= 0);
  }

  /** Of the head that a backend may send, and what turning its links outwards adds. A longer one would end the connection. */
  #fits(list: readonly string[]): boolean {
    return encodedBound(list) <= mostSentBytes(this.#parts.edge.limits.head);
  }

  /** HTTP/1.1 lets a 205 frame content that it may not have (RFC 9110 §15.3.6); frames do not. */
  #dropContent(fields: string[]): void {
    this.#isBodiless = true;
    const at = fields.indexOf('content-length');
    if (at > 0) fields.splice(at, 2);
  }

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    const exchange = this.#exchange;
    if (exchange === null || this.#isBodiless) return;
    exchange.bytesToClient += end - start;
    this.#frames?.push(bytes, start, end);
    const piece = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
    if (this.#pieces === noPieces) this.#pieces = [piece];
    else this.#pieces.push(piece);
  }

  onResponseEnd(trailers: Buffer): void {
    this.#isEnding = true;
    // The client ends its side of a WebSocket next, and the exchange with it.
    if (this.#frames !== null) return this.#endFrames();
    this.#exchange = null;
    if (this.#sendsTrailers) {
      this.#stream.once('wantTrailers', () => this.#stream.sendTrailers(trailerFields(trailers)));
    }
    this.flush();
    this.#answered();
  }

  flush(): void {
    const stream = this.#stream;
    const fields = this.#fields;
    const pieces = this.#pieces;
    const isEnding = this.#isEnding;
    if (this.#isAnswered || stream.closed || stream.destroyed) return;
    if (fields !== null) {
      this.#fields = null;
      if (this.#isBodiless || (isEnding && pieces.length === 0 && !this.#sendsTrailers)) {
        this.#isAnswered = true;
        stream.respond(fields, headOnly);
        return;
      }
      stream.respond(fields, this.#sendsTrailers ? withTrailers : withContent);
    }
    if (pieces.length > 0) {
      this.#pieces = noPieces;
      this.#write(pieces, isEnding);
    } else if (isEnding) stream.end();
    this.#isAnswered = isEnding;
  }

  #write(pieces: Buffer[], isEnding: boolean): void {
    const stream = this.#stream;
    let length = 0;
    for (const piece of pieces) length += piece.length;
    if (pieces.length === 1 || length <= maxJoinBytes) {
      const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length);
      if (isEnding) stream.end(bytes);
      else if (!stream.write(bytes)) this.#waitForDrain();
      return;
    }
    stream.cork();
    let hasRoom = true;
    for (const piece of pieces) hasRoom = stream.write(piece);
    stream.uncork();
    if (isEnding) stream.end();
    else if (!hasRoom) this.#waitForDrain();
  }

  #waitForDrain(): void {
    if (this.#needsDrain) return;
    this.#needsDrain = true;
    this.#stream.once('drain', () => {
      this.#needsDrain = false;
      this.#exchange?.resume();
    });
  }

  onUpgraded(head: MessageHead): void {
    const exchange = this.#exchange!;
    const { route } = exchange;
    if (this.#webSocketKey === null || !acceptsWebSocket(head, this.#webSocketKey)) {
      return exchange.refuseAnswer(new EdgeError('bad_response', 'the handshake was not accepted'));
    }
    const list = listResponseFields(head, {
      addresses: addressesOf(route),
      links: exchange.links,
      changesContent: false,
      keepsOwnCookies: route.backend === 'control',
      isPersonalPage: false,
      custom: route.responseHeaders,
      claims: exchange,
      addsHttpOnly: route.addsHttpOnly,
      cors: exchange.cors,
    });
    if (!this.#fits(list)) return exchange.refuseAnswer(tooLong());
    this.#fields = acceptedFields(list);
    this.#frames = new FrameTracker();
    this.flush();
    this.#readFrames(exchange);
  }

  #endFrames(): void {
    this.#endedAt = this.#parts.edge.now();
    this.flush();
  }

  onFailure(error: EdgeError): void {
    const { route, requestId, cors } = this.#exchange!;
    this.#exchange = null;
    // The shared head is another request's by now; the bytes are still this one's.
    const { head, edge } = this.#parts;
    const { length } = this.#headBytes;
    parseRequestHead(this.#headBytes, 0, length, edge.limits.head, head);
    this.#answer(withFields(failureAnswer(error, { head, route, requestId, time: new Date() }), cors));
  }

  onAbort(): void {
    this.#exchange = null;
    this.#reset(NGHTTP2_INTERNAL_ERROR);
  }

  onRevoked(): void {
    this.#exchange = null;
    if (this.#frames?.isAtBoundary !== true || this.#isEnding) return this.#reset(NGHTTP2_CANCEL);
    const frame = closeFrame(1008, 'access was withdrawn');
    this.#pieces = [...this.#pieces, frame];
    this.#isEnding = true;
    this.#endFrames();
    this.#stream.resume();
  }

  onRequestDrain(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#lastActiveAt = this.#parts.edge.now();
    if (!this.#stream.destroyed) this.#stream.resume();
  }

  /** The stream is over; its exchange, if there still is one, has lost its client. */
  closed(): void {
    if (!this.#isAnswered && this.#frames === null) this.isBroken = true;
    this.#exchange?.abort();
    this.#exchange = null;
  }

  /** Called about once a second. */
  checkDeadline(now: number): void {
    const unsent = this.#stream.writableLength;
    if (unsent !== this.#unsentBefore) {
      this.#unsentBefore = unsent;
      this.#lastActiveAt = now;
      this.#takenAt = now;
    }
    const silentMs = now - this.#lastActiveAt;
    const { bodyIdleTimeoutMs, stallTimeoutMs } = this.#parts.edge.limits;
    const isStalled = unsent > 0 && stallTimeoutMs > 0 && now - this.#takenAt > stallTimeoutMs;
    if (isStalled) return this.#reset(NGHTTP2_CANCEL);
    if (this.#frames !== null) {
      // A WebSocket may be silent for as long as it likes, until the backend has ended it.
      const isOver = this.#isAnswered && unsent === 0 && now - this.#endedAt > maxHalfClosedMs;
      if (isOver) this.#reset(NGHTTP2_NO_ERROR);
      return;
    }
    const isSending = !this.#isRequestDone && this.#webSocketKey === null && !this.#isConversing;
    const isSendingSlowly = isSending && !this.#isPaused && this.#exchange !== null;
    if (this.#isAnswered && unsent === 0 && !this.#isRequestDone) this.#reset(NGHTTP2_NO_ERROR);
    else if (isSendingSlowly && bodyIdleTimeoutMs > 0 && silentMs > bodyIdleTimeoutMs) {
      this.isBroken = true;
      this.#reset(NGHTTP2_CANCEL);
    }
  }

  /** A call of gRPC whose client has nothing to say for now: both sides talk for as long as they like. */
  get #isConversing(): boolean {
    const exchange = this.#exchange;
    return exchange?.route.speaksHttp2 === true && exchange.status > 0;
  }

  #refuse(error: unknown): void {
    if (error instanceof MalformedRequest) return this.#breakOff();
    if (!(error instanceof Http1Error)) throw error;
    const { edge, context } = this.#parts;
    const requestId = edge.nextRequestId();
    edge.log.debug({ requestId, reason: error.reason, address: context.address }, 'request refused');
    // As the frames' library does beyond its own limits: whoever sends heads of this size gets no more work out of us.
    if (error.status === 431) return this.#reset(NGHTTP2_ENHANCE_YOUR_CALM);
    const answer = failureAnswer(new EdgeError(failureCodeOf(error), error.reason), {
      head: null,
      route: null,
      requestId,
      time: new Date(),
    });
    edge.onLocalAnswer(error.status, requestId, null);
    this.#answer({ ...answer, status: error.status });
  }

  #answer({ status, fields, body }: LocalAnswer): void {
    const stream = this.#stream;
    if (stream.closed || stream.destroyed) return;
    this.#fields = [
      ':status',
      String(status),
      ...Object.entries(fields).flatMap(([name, value]) =>
        typeof value === 'string' ? [name, value] : value.flatMap(one => [name, one]),
      ),
      'content-length',
      String(body.length),
    ];
    this.#isBodiless = this.#isHead;
    this.#sendsTrailers = false;
    this.#pieces = this.#isHead ? noPieces : [body];
    this.#isEnding = true;
    this.flush();
    this.#answered();
  }

  /** The answer is complete. The rest of a body that is still coming is wanted by nobody (RFC 9113 §8.1). */
  #answered(): void {
    if (this.#isRequestDone || this.#stream.closed) return;
    this.#stream.resume();
    // Trailers wait for their turn behind the content, and a reset would overtake them: the sweep closes such a stream.
    if (!this.#sendsTrailers) this.#stream.close(NGHTTP2_NO_ERROR);
  }

  #reset(code: number): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#isAnswered = true;
    exchange?.abort();
    if (this.#stream.closed) return;
    // close() ends the writable side before it resets the stream, and that end would go out first: a client would take
    // half of an answer for the whole.
    this.#stream._final = done => done();
    this.#stream.close(code);
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#stream.pause();
  }
}

/** Longest encoding of a field list that is sent, in bytes. */
export function mostSentBytes({ maxHeadBytes }: HeadLimits): number {
  return 2 * maxHeadBytes;
}

/** What nghttp2 takes the encoding of a field list for at most, and compares with the above. */
function encodedBound(list: readonly string[]): number {
  let bytes = 12;
  for (const text of list) bytes += text.length + 6;
  return bytes;
}

function tooLong(): EdgeError {
  return new EdgeError('bad_response', 'the head, with its links turned outwards, is too long');
}

const nobody = { onData() {} };

/** The answer that accepts a WebSocket in the terms of RFC 8441 §5: 200, and nothing about keys. */
function acceptedFields(list: readonly string[]): string[] {
  const fields = [':status', '200'];
  for (let at = 2; at < list.length; at += 2) {
    const name = list[at]!;
    // A length would be one of what follows.
    if (name !== 'sec-websocket-accept' && name !== 'content-length') fields.push(name, list[at + 1]!);
  }
  return fields;
}
