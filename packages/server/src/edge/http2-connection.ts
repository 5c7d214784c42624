import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { type HeadLimits, MessageHead } from '../http1/head.ts';
import type { EdgeParts } from './edge-parts.ts';
import { Http2Request, type Http2RequestParts, mostSentBytes } from './http2-request.ts';
import type { ClientContext } from './request.ts';
import { baseWindowBytes, UploadWindows } from './upload-windows.ts';

/** What the streams of a connection take ahead of their backends together. */
const connectionWindowBytes = 16 * 1024 * 1024;
const maxConcurrentStreams = 100;
/** What the frames' library may keep for one connection, in its own unit. */
const maxSessionMemoryMegabytes = 16;
/** Browsers send each cookie as a field of its own, and keep 180 for a host. */
const maxCookieCrumbs = 200;
const pseudoFields = 4;
/** RFC 9113 §6.5.2 counts so much for each field beside its name and value. */
const fieldOverheadBytes = 32;
/** How long the other side may take to read what is left and to close, after GOAWAY and the last stream. */
const maxClosingMs = 5_000;
/** More than a PING of ours is on the wire: 17 bytes, and what a record of TLS adds. */
const maxPingBytes = 64;

/** One HTTP/2 connection of a client: each of its streams is a request of its own. */
export class Http2Connection {
  readonly #socket: TLSSocket;
  readonly #session: ServerHttp2Session;
  readonly #parts: EdgeParts;
  readonly #requestParts: Http2RequestParts;
  readonly #uploads: UploadWindows;
  readonly #requests = new Set<Http2Request>();
  readonly #onClose: (connection: Http2Connection) => void;
  // Honest clients cancel what a page no longer needs; those who do nothing else are shown out (CVE-2023-44487).
  readonly #brokenRequests: Allowance;
  // Each is answered with a frame (CVE-2019-9512, CVE-2019-9515).
  readonly #controlFrames: Allowance;
  readonly #startedAt: number;
  #hasSpoken = false;
  #lastActiveAt: number;
  #closingSince = 0;
  #readBytes = 0;
  #writtenBytes = 0;
  #movedAt: number;
  #isAsked = false;
  #isClosed = false;

  constructor(
    socket: TLSSocket,
    context: ClientContext,
    parts: EdgeParts,
    onClose: (connection: Http2Connection) => void,
  ) {
    this.#socket = socket;
    this.#parts = parts;
    this.#onClose = onClose;
    this.#startedAt = parts.now();
    this.#lastActiveAt = this.#startedAt;
    this.#movedAt = this.#startedAt;
    this.#brokenRequests = new Allowance(300, 30, this.#startedAt);
    this.#controlFrames = new Allowance(1_000, 200, this.#startedAt);
    const newHead = () => new MessageHead(parts.limits.head.maxFields);
    this.#session = performServerHandshake(socket, sessionOptions(parts.limits.head));
    this.#uploads = new UploadWindows(this.#session, parts.uploadBudget);
    this.#requestParts = { edge: parts, context, uploads: this.#uploads, head: newHead(), newHead };
    this.#session.setLocalWindowSize(connectionWindowBytes);
    this.#session.on('stream', (stream, _fields, _flags, list) => this.#begin(stream, list));
    this.#session.on('ping', () => this.#charge());
    this.#session.on('remoteSettings', () => {
      this.#hasSpoken = true;
      this.#charge();
    });
    this.#session.on('error', error => this.#broke(error));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => this.destroy());
    socket.once('close', () => this.#closed());
  }

  /** Whoever is told to go away knows that nothing of theirs was begun, and asks elsewhere (RFC 9113 §6.8). */
  readonly isNew = false;

  /** Bytes of requests that came and could not go on yet: up to the window of each stream. */
  get unreadBytes(): number {
    let unread = 0;
    for (const request of this.#requests) unread += request.unreadBytes;
    return unread;
  }

  get hasUnsentBytes(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** Takes no further request; those in flight are finished. */
  stop(): void {
    if (this.#closingSince > 0) return;
    this.#closingSince = this.#parts.now();
    this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
    this.#socket.destroy();
    this.#closed();
  }

  /** Called about once a second. */
  checkDeadlines(now: number): void {
    const { idleTimeoutMs, headTimeoutMs } = this.#parts.limits;
    if (this.#session.destroyed || (this.#closingSince > 0 && this.#requests.size === 0)) {
      this.#closingSince ||= now;
      if (now - Math.max(this.#closingSince, this.#lastActiveAt) > maxClosingMs) this.destroy();
      return;
    }
    if (!this.#hasSpoken && now - this.#startedAt > headTimeoutMs) return this.destroy();
    if (this.#requests.size === 0) {
      this.#uploads.sweep(0, false);
      this.#movedAt = now;
      if (now - this.#lastActiveAt > idleTimeoutMs) this.stop();
      return;
    }
    if (this.#isGone(now)) return this.destroy();
    let uploads = 0;
    let isStuck = false;
    for (const request of this.#requests) {
      request.checkDeadline(now);
      if (request.takeRecentBytes() > 0) uploads += 1;
      if (request.isStuck) isStuck = true;
    }
    this.#uploads.sweep(uploads, isStuck);
  }

  /**
   * Whether a client that nothing comes from and nothing goes to has left a question (PING, RFC 9113 §6.7) without an answer.
   * A WebSocket has no other limit, and a connection that broke off while the frames' library was writing tells nobody: it
   * reads nothing meanwhile.
   */
  #isGone(now: number): boolean {
    const { stallTimeoutMs } = this.#parts.limits;
    const { bytesRead, bytesWritten } = this.#socket;
    const hasMoved = bytesRead > this.#readBytes || bytesWritten > this.#writtenBytes + maxPingBytes;
    if (hasMoved || stallTimeoutMs === 0) {
      this.#readBytes = bytesRead;
      this.#writtenBytes = bytesWritten;
      this.#movedAt = now;
      this.#isAsked = false;
      return false;
    }
    const silentMs = now - this.#movedAt;
    if (this.#isAsked) return silentMs > 2 * stallTimeoutMs;
    if (silentMs > stallTimeoutMs) {
      this.#isAsked = true;
      this.#session.ping(() => {});
    }
    return false;
  }

  #begin(stream: ServerHttp2Stream, list: string[]): void {
    // Resets of streams arrive here as errors; whatever they are about, `close` follows.
    stream.on('error', () => {});
    if (stream.destroyed || stream.closed) {
      this.#ended(true);
      return;
    }
    const request = new Http2Request(stream, this.#requestParts);
    this.#requests.add(request);
    stream.once('close', () => {
      this.#requests.delete(request);
      request.closed();
      this.#ended(request.isBroken);
    });
    request.begin(list);
  }

  #ended(isBroken: boolean): void {
    const now = this.#parts.now();
    this.#lastActiveAt = now;
    if (isBroken && !this.#brokenRequests.take(now)) this.#calm();
  }

  #charge(): void {
    if (!this.#controlFrames.take(this.#parts.now())) this.#calm();
  }

  #calm(): void {
    if (this.#session.destroyed) return;
    this.#parts.log.debug({ address: this.#requestParts.context.address }, 'connection refused: flood');
    this.#session.destroy(new Error('flood'), constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #broke(error: Error): void {
    const { address } = this.#requestParts.context;
    this.#parts.log.debug({ address, error: error.message }, 'connection broken');
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const request of this.#requests) request.closed();
    this.#requests.clear();
    this.#uploads.release();
    this.#onClose(this);
  }
}

// strictSingleValueFields is missing in the types of Node. Backends repeat fields that should not be; clients cope.
function sessionOptions(limits: HeadLimits): ServerOptions & { strictSingleValueFields: boolean } {
  const maxHeaderListPairs = limits.maxFields + pseudoFields + maxCookieCrumbs;
  return {
    maxHeaderListPairs,
    maxSendHeaderBlockLength: mostSentBytes(limits),
    maxSessionMemory: maxSessionMemoryMegabytes,
    strictSingleValueFields: false,
    settings: {
      initialWindowSize: baseWindowBytes,
      maxConcurrentStreams,
      // RFC 8441: WebSockets on streams of their own.
      enableConnectProtocol: true,
      maxHeaderListSize: limits.maxHeadBytes + maxHeaderListPairs * fieldOverheadBytes,
    },
  };
}

/** So many at once, and so many a second in the long run. */
class Allowance {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(most: number, perSecond: number, now: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
    this.#at = now;
  }

  /** False: it is used up. */
  take(now: number): boolean {
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1_000) * this.#perSecond);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
