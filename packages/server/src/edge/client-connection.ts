import type { TLSSocket } from 'node:tls';
import {
  BodyReader,
  type BodySink,
  encodeChunk,
  encodeLastChunk,
  maxChunkHeaderBytes,
  writeChunkHeader,
} from '../http1/body.ts';
import { Http1Error } from '../http1/error.ts';
import { HeadReader, MessageHead } from '../http1/head.ts';
import { filterTrailers } from '../translation/request-head.ts';
import { writeResponseHead } from '../translation/response-head.ts';
import type { EdgeParts } from './edge-parts.ts';
import type { Exchange, ResponseSink } from './exchange.ts';
import { EdgeError, type FailureCode, failureCodeOf } from './failure.ts';
import { encodeLocalAnswer, failureAnswer, withFields } from './local-answer.ts';
import {
  addressesOf,
  type ClientContext,
  handleRequest,
  interimChanges,
  type RequestOutcome,
} from './request.ts';
import { closeFrame, FrameTracker } from './websocket-frames.ts';

/** Pipelined bytes beyond this pause the socket. */
const maxStashBytes = 64 * 1024;
/** After a final answer, so much of a body that is still coming is read and dropped; then the connection is closed. */
const maxDrainBytes = 256 * 1024;
const maxDrainMs = 1_000;
/** Answers up to this size go out in one piece. */
const maxJoinBytes = 64 * 1024;
const crlf = Buffer.from('\r\n', 'latin1');
const none = Buffer.alloc(0);
const closeField = Buffer.from('Connection: close\r\n', 'latin1');
const chunkedField = Buffer.from('Transfer-Encoding: chunked\r\n', 'latin1');
const upgradeField = Buffer.from('Connection: upgrade\r\n', 'latin1');

/** A first request is there in no time, or where its packet was lost once more after one second or two. */
export const newcomerMs = 3_000;

type Phase =
  /** Waiting for a head, or for the rest of one. */
  | 'head'
  /** The head is there; the control process is being asked about its session. */
  | 'asking'
  /** The request's body is coming. */
  | 'body'
  /** The request is complete; its answer is not. */
  | 'answer'
  /** The answer is complete; the request's body is not, and is dropped. */
  | 'drain'
  /** After 101: bytes go both ways as they are. */
  | 'raw'
  | 'closed';

/** How the answer's body is framed for this client. */
type ResponseFraming = 'as-is' | 'chunked' | 'until-close';

/**
 * One HTTP/1.1 connection of a client: reads requests one after the other, has each admitted, relays its body and the
 * answer. Pipelined requests wait in the stash; one is in flight at a time.
 */
export class ClientConnection implements ResponseSink, BodySink {
  readonly #socket: TLSSocket;
  readonly #parts: EdgeParts;
  readonly #context: ClientContext;
  readonly #onClose: (connection: ClientConnection) => void;
  readonly #head = new MessageHead();
  readonly #headReader = new HeadReader();
  readonly #body = new BodyReader();
  #phase: Phase = 'head';
  #stash: Buffer = none;
  #exchange: Exchange | null = null;
  #closeAfterAnswer = false;
  #isStopping = false;
  #isParsing = false;
  #framing: ResponseFraming = 'as-is';
  #pieces: Buffer[] = [];
  #needsDrain = false;
  /** Since when the client has had room for nothing. */
  #blockedAt = 0;
  #isPaused = false;
  #frames: FrameTracker | null = null;
  #drained = 0;
  #lastActiveAt: number;
  #headStartedAt = 0;
  #answeredAt = 0;
  #requests = 0;
  readonly #startedAt: number;

  constructor(
    socket: TLSSocket,
    context: ClientContext,
    parts: EdgeParts,
    onClose: (connection: ClientConnection) => void,
  ) {
    this.#socket = socket;
    this.#context = context;
    this.#parts = parts;
    this.#onClose = onClose;
    this.#startedAt = parts.now();
    this.#lastActiveAt = this.#startedAt;
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('drain', () => this.#drainedSocket());
    socket.on('end', () => this.#clientEnded());
    socket.on('error', () => this.#closed());
    socket.once('close', () => this.#closed());
  }

  get isWritable(): boolean {
    return !this.#needsDrain;
  }

  /** True between requests: closing now loses nothing. */
  get isIdle(): boolean {
    return this.#phase === 'head' && this.#stash.length === 0;
  }

  /** Its first request may be on its way. */
  get isNew(): boolean {
    return this.#requests === 0 && this.#parts.now() - this.#startedAt < newcomerMs;
  }

  /** Bytes that came and wait for their turn. */
  get unreadBytes(): number {
    return this.#stash.length;
  }

  get hasUnsentBytes(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** Takes no further request, but for the first; the one in flight is finished. */
  stop(): void {
    this.#isStopping = true;
    if (this.isNew) return;
    if (this.isIdle) this.#socket.end();
    else this.#closeAfterAnswer = true;
  }

  destroy(): void {
    this.#socket.destroy();
    this.#closed();
  }

  /** Called about once a second. */
  checkDeadlines(now: number): void {
    const { limits } = this.#parts;
    // Whatever else it sends: who reads nothing keeps a window of the backend's answer, and its connection.
    if (this.#needsDrain && limits.stallTimeoutMs > 0 && now - this.#blockedAt > limits.stallTimeoutMs) {
      return this.destroy();
    }
    switch (this.#phase) {
      case 'head':
        if (this.#stash.length > 0 && now - this.#headStartedAt > limits.headTimeoutMs)
          this.#refuse('request_timeout');
        else if (this.#stash.length === 0 && now - this.#lastActiveAt > limits.idleTimeoutMs) this.destroy();
        return;
      case 'body':
        if (
          limits.bodyIdleTimeoutMs > 0 &&
          !this.#isPaused &&
          now - this.#lastActiveAt > limits.bodyIdleTimeoutMs
        ) {
          this.#exchange?.abort();
          this.destroy();
        }
        return;
      case 'drain':
        if (now - this.#answeredAt > maxDrainMs) this.destroy();
        return;
      default:
        return;
    }
  }

  #receive(bytes: Buffer): void {
    this.#lastActiveAt = this.#parts.now();
    try {
      this.#process(bytes);
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#refuseMessage(error);
    }
  }

  #process(bytes: Buffer): void {
    switch (this.#phase) {
      case 'head':
        if (this.#stash.length === 0) return this.#parse(bytes);
        this.#stash = Buffer.concat([this.#stash, bytes]);
        return this.#parse(this.#stash);
      case 'body': {
        const at = this.#body.read(bytes, 0, bytes.length, this);
        if (this.#body.isDone) this.#bodyEnded(bytes, at);
        return;
      }
      case 'asking':
      case 'answer':
        this.#stash = this.#stash.length === 0 ? bytes : Buffer.concat([this.#stash, bytes]);
        if (this.#stash.length > maxStashBytes) this.#pause();
        return;
      case 'drain':
        return this.#drainBody(bytes);
      case 'raw':
        if (this.#exchange?.writeBody(bytes) === false) this.#pause();
        return;
      case 'closed':
        return;
    }
  }

  /** Reads requests from bytes until one must wait: for its answer, or for more bytes. */
  #parse(received: Buffer): void {
    // An answer that is ready at once comes back here; the loop takes the next request instead of the call stack.
    if (this.#isParsing) {
      this.#stash = received;
      return;
    }
    this.#isParsing = true;
    try {
      let bytes = received;
      while (this.#phase === 'head' && bytes.length > 0) {
        this.#stash = none;
        if (!this.#headReader.readRequest(bytes, 0, bytes.length, this.#parts.limits.head, this.#head)) {
          if (this.#stash.length === 0) this.#headStartedAt ||= this.#parts.now();
          this.#stash = bytes;
          return;
        }
        this.#headStartedAt = 0;
        this.#begin(bytes);
        bytes = this.#stash;
      }
    } finally {
      this.#isParsing = false;
    }
  }

  #begin(bytes: Buffer): void {
    this.#requests += 1;
    this.#closeAfterAnswer = !this.#head.keepAlive || this.#isStopping;
    this.#body.begin(this.#head);
    const outcome = handleRequest(this.#head, this.#context, this, this.#parts);
    if (outcome.kind === 'later') {
      this.#phase = 'asking';
      this.#stash = bytes.subarray(this.#head.end);
      void this.#waitFor(outcome.outcome);
      return;
    }
    this.#follow(outcome, bytes, this.#head.end);
  }

  async #waitFor(outcome: Promise<RequestOutcome>): Promise<void> {
    try {
      const known = await outcome;
      if (this.#phase !== 'asking') {
        if (known.kind === 'exchange') known.exchange.abort();
        return;
      }
      const rest = this.#stash;
      this.#stash = none;
      this.#resume();
      this.#follow(known, rest, 0);
      this.#continueWithStash();
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#refuseMessage(error);
    }
  }

  /** Starts what was decided and reads the request's body from bytes[at…]; what follows it goes to the stash. */
  #follow(outcome: RequestOutcome, bytes: Buffer, at: number): void {
    if (outcome.kind === 'later') throw new TypeError('a session is asked for once');
    this.#phase = this.#body.isDone ? 'answer' : 'body';
    if (this.#body.isDone) this.#stash = bytes.subarray(at);
    if (outcome.kind === 'answer') {
      const { answer, requestId, host } = outcome;
      this.#parts.onLocalAnswer(answer.status, requestId, host);
      const isHead = this.#head.method === 'HEAD';
      this.#socket.write(encodeLocalAnswer(answer, isHead, this.#closeAfterAnswer));
      this.#answered();
    } else {
      this.#exchange = outcome.exchange;
      this.#exchange.start();
    }
    if (this.#body.isDone || this.#isClosed()) return;
    const rest = bytes.subarray(at);
    if (rest.length > 0) this.#process(rest);
  }

  /** A part of the request's content, which goes on in the framing it came in. */
  onData(bytes: Buffer, start: number, end: number): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    const hasRoom = this.#head.isChunked
      ? exchange.writeBody(encodeChunk(bytes, start, end))
      : exchange.writeBody(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
    if (!hasRoom) this.#pause();
  }

  #bodyEnded(bytes: Buffer, at: number): void {
    if (this.#phase !== 'body') return;
    this.#phase = 'answer';
    if (at < bytes.length) this.#stash = bytes.subarray(at);
    const exchange = this.#exchange;
    if (exchange === null) return;
    exchange.endBody();
    if (!this.#head.isChunked) return;
    const { reserved } = this.#parts.identity;
    const trailers = filterTrailers(this.#body.trailers, reserved, exchange.route.requestHeaders);
    exchange.writeBody(encodeLastChunk(trailers));
  }

  onInformational(head: MessageHead): void {
    // HTTP/1.0 knows no interim answers (RFC 9110 §15.2).
    if (this.#head.minorVersion === 0) return;
    const changes = interimChanges(this.#exchange!);
    this.#socket.write(
      writeResponseHead(head, {
        ...changes,
        framing: none,
        keepTransferEncoding: false,
      }),
    );
  }

  onResponse(head: MessageHead): void {
    const exchange = this.#exchange!;
    const isFromOldClient = this.#head.minorVersion === 0;
    const { changesContent } = exchange;
    // Nobody knows the length of translated content before its end.
    const needsFraming = head.bodyKind === 'close' || (changesContent && head.bodyKind === 'length');
    this.#framing = 'as-is';
    if (needsFraming) this.#framing = isFromOldClient ? 'until-close' : 'chunked';
    if (head.bodyKind === 'chunked') this.#framing = isFromOldClient ? 'until-close' : 'chunked';
    if (this.#framing === 'until-close') this.#closeAfterAnswer = true;
    const framing =
      needsFraming && this.#framing === 'chunked'
        ? this.#closeAfterAnswer
          ? Buffer.concat([closeField, chunkedField])
          : chunkedField
        : this.#closeAfterAnswer
          ? closeField
          : none;
    this.#pieces.push(
      writeResponseHead(head, {
        addresses: addressesOf(exchange.route),
        links: exchange.links,
        changesContent,
        framing,
        keepTransferEncoding: !isFromOldClient,
        keepsOwnCookies: exchange.route.backend === 'control',
        isPersonalPage: exchange.isPersonalPage,
        custom: exchange.route.responseHeaders,
        claims: exchange,
        addsHttpOnly: exchange.route.addsHttpOnly,
        cors: exchange.cors,
        timing: exchange.serverTiming,
      }),
    );
  }

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    const exchange = this.#exchange;
    if (exchange) exchange.bytesToClient += end - start;
    this.#frames?.push(bytes, start, end);
    if (this.#framing !== 'chunked' || this.#phase === 'raw') {
      this.#pieces.push(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
      return;
    }
    const header = Buffer.allocUnsafe(maxChunkHeaderBytes);
    this.#pieces.push(
      header.subarray(0, writeChunkHeader(header, 0, end - start)),
      bytes.subarray(start, end),
      crlf,
    );
  }

  onResponseEnd(trailers: Buffer): void {
    if (this.#phase === 'raw') {
      this.flush();
      this.#socket.end();
      return;
    }
    if (this.#framing === 'chunked') {
      this.#pieces.push(encodeLastChunk(trailers));
    }
    this.flush();
    this.#exchange = null;
    this.#answered();
    this.#continueWithStash();
  }

  onUpgraded(head: MessageHead): void {
    const exchange = this.#exchange!;
    this.#framing = 'as-is';
    this.#pieces.push(
      writeResponseHead(head, {
        addresses: addressesOf(exchange.route),
        links: exchange.links,
        changesContent: false,
        framing: upgradeLines(head),
        keepTransferEncoding: false,
        keepsOwnCookies: exchange.route.backend === 'control',
        isPersonalPage: false,
        custom: exchange.route.responseHeaders,
        claims: exchange,
        addsHttpOnly: exchange.route.addsHttpOnly,
        cors: exchange.cors,
      }),
    );
    this.#phase = 'raw';
    this.#frames = new FrameTracker();
    this.flush();
    const early = this.#stash;
    this.#stash = none;
    this.#resume();
    if (early.length > 0) this.#process(early);
  }

  onFailure(error: EdgeError): void {
    const exchange = this.#exchange!;
    this.#exchange = null;
    const failure = failureAnswer(error, {
      head: this.#head,
      route: exchange.route,
      requestId: exchange.requestId,
      time: new Date(),
    });
    const answer = withFields(failure, exchange.cors);
    this.#resume();
    this.#socket.write(encodeLocalAnswer(answer, this.#head.method === 'HEAD', this.#closeAfterAnswer));
    this.#answered();
    this.#continueWithStash();
  }

  onAbort(): void {
    // The client must not take what it has for the whole: an ended connection without the last chunk says so.
    this.#exchange = null;
    this.flush();
    this.destroy();
  }

  onRevoked(): void {
    const wasRaw = this.#phase === 'raw';
    this.#exchange = null;
    if (!wasRaw || this.#frames?.isAtBoundary !== true) return this.destroy();
    this.#phase = 'drain';
    this.#answeredAt = this.#parts.now();
    this.#socket.end(closeFrame(1008, 'access was withdrawn'));
    this.#resume();
  }

  onRequestDrain(): void {
    this.#resume();
  }

  flush(): void {
    const pieces = this.#pieces;
    if (pieces.length === 0) return;
    this.#pieces = [];
    if (pieces.length === 1) return this.#write(pieces[0]!);
    let length = 0;
    for (const piece of pieces) length += piece.length;
    if (length <= maxJoinBytes) return this.#write(Buffer.concat(pieces, length));
    this.#socket.cork();
    for (const piece of pieces) this.#write(piece);
    this.#socket.uncork();
  }

  #write(bytes: Buffer): void {
    if (this.#socket.write(bytes) || this.#needsDrain) return;
    this.#needsDrain = true;
    this.#blockedAt = this.#parts.now();
  }

  #drainedSocket(): void {
    this.#lastActiveAt = this.#parts.now();
    this.#needsDrain = false;
    this.#exchange?.resume();
  }

  /** The answer is complete: the connection is closed, drained, or ready for the next request. */
  #answered(): void {
    if (this.#isClosed()) return;
    if (!this.#body.isDone) {
      this.#phase = 'drain';
      this.#drained = 0;
      this.#answeredAt = this.#parts.now();
      this.#resume();
      return;
    }
    if (this.#closeAfterAnswer) {
      this.#closeGently();
      return;
    }
    this.#phase = 'head';
    this.#headStartedAt = 0;
  }

  #continueWithStash(): void {
    if (this.#phase !== 'head' || this.#isParsing) return;
    this.#resume();
    const stash = this.#stash;
    if (stash.length === 0) return;
    this.#stash = none;
    try {
      this.#parse(stash);
    } catch (error) {
      if (!(error instanceof Http1Error)) throw error;
      this.#refuseMessage(error);
    }
  }

  /** Reads on in a body whose answer is out, so that the client reads the answer before it sees the end. */
  #drainBody(bytes: Buffer): void {
    if (this.#body.isDone) return;
    this.#drained += bytes.length;
    if (this.#drained > maxDrainBytes) return this.destroy();
    const at = this.#body.read(bytes, 0, bytes.length, this);
    if (!this.#body.isDone) return;
    if (this.#closeAfterAnswer) return this.#closeGently();
    this.#phase = 'head';
    if (at < bytes.length) this.#parse(bytes.subarray(at));
  }

  /** Ends our side and drops what still comes, so that no reset overtakes the answer. */
  #closeGently(): void {
    this.#phase = 'drain';
    this.#answeredAt = this.#parts.now();
    this.#stash = none;
    this.#resume();
    this.#socket.end();
  }

  /** A message that cannot be read: there is no known boundary after it, so the answer is the connection's last. */
  #refuseMessage(error: Http1Error): void {
    this.#refuse(failureCodeOf(error), error);
  }

  #refuse(code: FailureCode, cause?: Http1Error): void {
    if (this.#isClosed() || this.#phase === 'drain') return this.destroy();
    const requestId = this.#parts.nextRequestId();
    const hasBegunAnswer = this.#exchange !== null && this.#exchange.status > 0;
    this.#exchange?.abort();
    this.#exchange = null;
    // Behind a part of an answer a client would take another one for the rest.
    if (hasBegunAnswer || this.#phase === 'answer' || this.#phase === 'raw') return this.destroy();
    const answer = failureAnswer(new EdgeError(code, cause?.reason), {
      head: null,
      route: null,
      requestId,
      time: new Date(),
    });
    this.#parts.onLocalAnswer(answer.status, requestId, null);
    this.#parts.log.debug(
      { requestId, reason: cause?.reason ?? code, address: this.#context.address },
      'request refused',
    );
    this.#socket.write(encodeLocalAnswer({ ...answer, status: cause?.status ?? answer.status }, false, true));
    this.#body.begin(emptyHead);
    this.#closeGently();
  }

  #clientEnded(): void {
    // A client that ends its side while an answer is on its way has gone (nginx takes it so too).
    if (this.#phase === 'raw') this.#exchange?.endUpgraded();
    else this.destroy();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#lastActiveAt = this.#parts.now();
    this.#socket.resume();
  }

  #isClosed(): boolean {
    return this.#phase === 'closed';
  }

  #closed(): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#exchange?.abort();
    this.#exchange = null;
    this.#context.pins?.closeAll();
    this.#onClose(this);
  }
}

const emptyHead = new MessageHead();

/** Upgrade is hop by hop, so the head writer has taken it out. */
function upgradeLines(head: MessageHead): Buffer {
  let lines = '';
  for (let index = 0; index < head.fieldCount; index++) {
    if (head.nameIs(index, 'upgrade')) lines += `Upgrade: ${head.valueOf(index)}\r\n`;
  }
  return Buffer.concat([Buffer.from(lines, 'latin1'), upgradeField]);
}
