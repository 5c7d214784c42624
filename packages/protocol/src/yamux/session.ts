import { YamuxError } from './errors.ts';
import {
  allFlags,
  flagAck,
  flagFin,
  flagRst,
  flagSyn,
  goAwayCodes,
  headerBytes,
  initialWindow,
  maxWindow,
  protocolVersion,
  readUint32,
  typeData,
  typeGoAway,
  typePing,
  typeWindowUpdate,
} from './frame.ts';
import type { YamuxTransport } from './output.ts';
import { ReceiveWindow } from './receive-window.ts';
import { Sender } from './sender.ts';
import { SessionStream, type StreamOwner, type YamuxStream } from './stream.ts';
import { WindowBudget } from './window-budget.ts';

/** No stream is opened with this id or a higher one: the tunnel is replaced long before the ids run out. */
export const endOfStreamIds = 2 ** 30;

// The round trip that windows are measured against is the least of these many: one that was measured behind a
// queue would let windows grow for no better reason than that they have filled this queue.
const roundTripsKept = 64;

export interface YamuxOptions {
  /** The side that connected is the client; its stream ids are odd. */
  readonly role: 'client' | 'server';
  readonly transport: YamuxTransport;
  /** Milliseconds from any fixed point (`performance.now`). */
  readonly now: () => number;
  /** Runs a function at the end of this turn of the event loop; the frames of a turn go out in one write. Default setImmediate. */
  readonly schedule?: (flush: () => void) => void;
  /** Shared by the sessions of a process. Default: one of this session's own. */
  readonly windowBudget?: WindowBudget;
  /** Window of a new stream, at least (and by default) 256 KiB. */
  readonly initialWindowBytes?: number;
  /** What a window grows to while its reader keeps up. Default 32 MiB. */
  readonly maxWindowBytes?: number;
  /** Data is held back while the transport has more than this queued. Default 256 KiB. */
  readonly maxQueuedBytes?: number;
  /** Streams that the other side may have open at once; more are reset. Default 4096. */
  readonly acceptBacklog?: number;
  /** Default 1 for the client, 2 for the server. */
  readonly firstStreamId?: number;
  /** The other side has opened a stream. Reset it at once to refuse it. */
  readonly onStream: (stream: YamuxStream) => void;
  /** The other side takes no new streams; those that are open go on. */
  readonly onGoAway: (code: number) => void;
  /** The session is over and all its streams have been told; the connection is to be ended. Null: by our own `close`. */
  readonly onClose: (error: YamuxError | null) => void;
  readonly onRoundTrip?: (ms: number) => void;
}

/**
 * One side of a yamux session (https://github.com/hashicorp/yamux/blob/master/spec.md), without any I/O: bytes come
 * in through `receive` and leave through the transport.
 *
 * It is stricter than the specification asks where the other side can only be wrong: stream ids must grow, frames of
 * streams that never were are errors, and so is data beyond a window or after FIN. Frames of a stream that is over
 * are ignored, as they may have been under way.
 */
export class YamuxSession implements StreamOwner {
  readonly #options: YamuxOptions;
  readonly #sender: Sender;
  readonly #budget: WindowBudget;
  readonly #initialWindowBytes: number;
  readonly #maxWindowBytes: number;
  readonly #acceptBacklog: number;
  readonly #streams = new Map<number, SessionStream>();
  #nextId: number;
  #lastIdReceived = 0;
  #inboundCount = 0;
  #isClosed = false;
  #hasGoneAway = false;
  #otherHasGoneAway = false;
  #lastReceivedAt: number;
  #ignoredFrames = 0;

  readonly #header = Buffer.allocUnsafeSlow(headerBytes);
  #headerFill = 0;
  #payloadLeft = 0;
  #payloadStream: SessionStream | null = null;
  #endsWithPayload = false;

  #pingId = 0;
  #ping: { sentAt: number; resolve: (ms: number) => void; reject: (e: Error) => void } | null = null;
  #pingAnswer: Promise<number> | null = null;
  #roundTripMs: number | null = null;
  #minRoundTripMs: number | null = null;
  readonly #roundTrips: number[] = [];

  constructor(options: YamuxOptions) {
    this.#options = options;
    this.#initialWindowBytes = options.initialWindowBytes ?? initialWindow;
    if (this.#initialWindowBytes < initialWindow) {
      throw new RangeError(
        `initialWindowBytes is below ${initialWindow}, which the other side takes for granted`,
      );
    }
    this.#maxWindowBytes = options.maxWindowBytes ?? 32 * 1024 * 1024;
    this.#acceptBacklog = options.acceptBacklog ?? 4096;
    this.#budget = options.windowBudget ?? new WindowBudget();
    this.#nextId = options.firstStreamId ?? (options.role === 'client' ? 1 : 2);
    this.#lastReceivedAt = options.now();
    this.#sender = new Sender(
      options.transport,
      options.maxQueuedBytes ?? 256 * 1024,
      options.schedule ?? setImmediate,
      () =>
        this.#close(
          new YamuxError('flooded', 'answers are caused faster than they are read'),
          goAwayCodes.normal,
        ),
    );
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** Bytes not yet gone: pending in all streams, collected, queued in the transport. */
  get queuedBytes(): number {
    return this.#sender.queuedBytes;
  }

  /** By the last ping; null before the first answer. */
  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  /** The least of the last pings. */
  get minRoundTripMs(): number | null {
    return this.#minRoundTripMs;
  }

  /** When anything was last received, in the clock of `now`; the session's beginning before that. */
  get lastReceivedAt(): number {
    return this.#lastReceivedAt;
  }

  /** No stream id is left. */
  get isExhausted(): boolean {
    return this.#nextId >= endOfStreamIds;
  }

  /** One of the sides has said that it takes no new streams, or the session is closed. */
  get goingAway(): boolean {
    return this.#isClosed || this.#hasGoneAway || this.#otherHasGoneAway;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Frames of streams that were over or refused, and answers to pings that nobody waits for. */
  get ignoredFrames(): number {
    return this.#ignoredFrames;
  }

  now(): number {
    return this.#options.now();
  }

  /**
   * Opens a stream; it may be written to at once.
   *
   * @throws YamuxError `exhausted` when no id is left, `going_away` when one of the sides has said so,
   *   `session_closed` after the end.
   */
  openStream(): YamuxStream {
    if (this.#isClosed) throw new YamuxError('session_closed', 'the session is closed');
    if (this.goingAway) throw new YamuxError('going_away', 'the session takes no new streams');
    if (this.isExhausted) throw new YamuxError('exhausted', 'the session has no stream id left');
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = this.#addStream(id);
    this.#sender.control(typeWindowUpdate, flagSyn, id, this.#initialWindowBytes - initialWindow);
    return stream;
  }

  /**
   * Measures the round trip; at the start and every few seconds, since windows grow by it. While a ping is under
   * way, it is the one that is waited for.
   *
   * @returns Milliseconds; rejects with `session_closed`, which a caller may leave unhandled.
   */
  ping(): Promise<number> {
    if (this.#isClosed) return rejected(new YamuxError('session_closed', 'the session is closed'));
    this.#sender.shrink();
    if (this.#pingAnswer !== null) return this.#pingAnswer;
    this.#pingId = (this.#pingId + 1) >>> 0;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    promise.catch(() => {});
    this.#ping = { sentAt: this.now(), resolve, reject };
    this.#pingAnswer = promise;
    this.#sender.control(typePing, flagSyn, 0, this.#pingId);
    return promise;
  }

  /** Says that no new stream is taken any more; those that are open go on. */
  goAway(code: number = goAwayCodes.normal): void {
    if (this.#isClosed || this.#hasGoneAway) return;
    this.#hasGoneAway = true;
    this.#sender.control(typeGoAway, 0, 0, code);
  }

  /** Ends the session and its streams at once. */
  close(): void {
    this.#close(null, goAwayCodes.normal);
  }

  /** To be called when the connection is lost: nothing is written any more. */
  transportClosed(cause?: Error): void {
    if (this.#isClosed) return;
    this.#sender.abandon();
    this.#close(new YamuxError('session_closed', 'the connection was lost', { cause }), goAwayCodes.normal);
  }

  /** To be called when the transport has room again. */
  transportDrained(): void {
    this.#sender.drained();
  }

  /** Takes bytes from the transport, split anywhere. Parts of `bytes` go to the streams uncopied. */
  receive(bytes: Buffer): void {
    if (this.#isClosed || bytes.length === 0) return;
    this.#lastReceivedAt = this.now();
    const end = bytes.length;
    let at = 0;
    while (at < end && !this.#isClosed) {
      if (this.#payloadLeft > 0) at = this.#receivePayload(bytes, at, end);
      else if (this.#headerFill === 0 && end - at >= headerBytes) {
        this.#receiveHeader(bytes, at);
        at += headerBytes;
      } else at = this.#collectHeader(bytes, at, end);
    }
  }

  /** A stream is over. For streams alone. */
  forget(id: number): void {
    if (this.#streams.delete(id) && !this.#isOurs(id)) this.#inboundCount -= 1;
  }

  #receivePayload(bytes: Buffer, from: number, end: number): number {
    const to = Math.min(from + this.#payloadLeft, end);
    this.#payloadLeft -= to - from;
    const stream = this.#payloadStream;
    const isComplete = this.#payloadLeft === 0;
    if (isComplete) this.#payloadStream = null;
    if (stream === null || stream.isClosed) return to;
    stream.onData(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
    if (isComplete && this.#endsWithPayload && !stream.isClosed) stream.receiveEnd();
    return to;
  }

  #collectHeader(bytes: Buffer, from: number, end: number): number {
    const to = Math.min(from + headerBytes - this.#headerFill, end);
    bytes.copy(this.#header, this.#headerFill, from, to);
    this.#headerFill += to - from;
    if (this.#headerFill < headerBytes) return to;
    this.#headerFill = 0;
    this.#receiveHeader(this.#header, 0);
    return to;
  }

  #receiveHeader(bytes: Buffer, at: number): void {
    const flags = (bytes[at + 2] << 8) | bytes[at + 3];
    const streamId = readUint32(bytes, at + 4);
    const length = readUint32(bytes, at + 8);
    const violation =
      bytes[at] === protocolVersion && flags <= allFlags
        ? this.#receiveFrame(bytes[at + 1], flags, streamId, length)
        : `version ${bytes[at]}, flags 0x${flags.toString(16)}`;
    if (violation === null) return;
    this.#close(new YamuxError('protocol_error', violation), goAwayCodes.protocolError);
  }

  // This and the methods below return what is wrong with the frame, or null.

  #receiveFrame(type: number, flags: number, streamId: number, length: number): string | null {
    if (type === typeData || type === typeWindowUpdate) {
      return this.#receiveStreamFrame(type, flags, streamId, length);
    }
    if (type !== typePing && type !== typeGoAway) return `frame type ${type}`;
    if (streamId !== 0) return `ping or go-away on stream ${streamId}`;
    if (type === typePing) return this.#receivePing(flags, length);
    this.#receiveGoAway(length);
    return null;
  }

  #receiveStreamFrame(type: number, flags: number, id: number, length: number): string | null {
    if ((flags & flagSyn) !== 0) {
      const violation = this.#acceptStream(id, flags);
      if (violation !== null || this.#isClosed) return violation;
    }
    const payload = type === typeData ? length : 0;
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#receiveForUnknown(id, payload);
    if ((flags & flagAck) !== 0) stream.isAccepted = true;
    if ((flags & flagRst) !== 0) return this.#receiveReset(stream, payload);
    if (type === typeData) return this.#receiveData(stream, flags, length);
    if (stream.outgoing.window + length > maxWindow) return `window overflow on stream ${id}`;
    if (length > 0) this.#sender.widen(stream.outgoing, length);
    return (flags & flagFin) === 0 ? null : this.#receiveFin(stream);
  }

  #receiveData(stream: SessionStream, flags: number, length: number): string | null {
    const isLast = (flags & flagFin) !== 0;
    if (length === 0) return isLast ? this.#receiveFin(stream) : null;
    if (stream.isReceived) return `data after the end of stream ${stream.id}`;
    if (!stream.window.receive(length)) return `data beyond the window of stream ${stream.id}`;
    stream.isAccepted = true;
    this.#payloadLeft = length;
    this.#payloadStream = stream;
    this.#endsWithPayload = isLast;
    return null;
  }

  #receiveFin(stream: SessionStream): string | null {
    if (stream.isReceived) return `second end of stream ${stream.id}`;
    stream.receiveEnd();
    return null;
  }

  #receiveReset(stream: SessionStream, payload: number): null {
    this.#skip(payload);
    const error = stream.isAccepted
      ? new YamuxError('reset', `stream ${stream.id} was reset by the other side`)
      : new YamuxError('refused', `stream ${stream.id} was refused by the other side`);
    stream.fail(error);
    return null;
  }

  #receiveForUnknown(id: number, payload: number): string | null {
    const isPast = this.#isOurs(id) ? id < this.#nextId : id <= this.#lastIdReceived;
    if (id === 0 || !isPast) return `frame of stream ${id}, which was never opened`;
    this.#ignoredFrames += 1;
    this.#skip(payload);
    return null;
  }

  #skip(payload: number): void {
    this.#payloadLeft = payload;
    this.#payloadStream = null;
  }

  // A stream that is refused does not get into the map, and what follows of it is ignored.
  #acceptStream(id: number, flags: number): string | null {
    if (id === 0 || this.#isOurs(id)) return `stream ${id} opened by the wrong side`;
    if (id <= this.#lastIdReceived) return `stream ${id} opened after ${this.#lastIdReceived}`;
    this.#lastIdReceived = id;
    if ((flags & flagRst) !== 0) return null;
    if (this.#hasGoneAway || this.#inboundCount >= this.#acceptBacklog) {
      this.#sender.control(typeWindowUpdate, flagRst, id, 0);
      return null;
    }
    this.#inboundCount += 1;
    const stream = this.#addStream(id);
    stream.isAccepted = true;
    this.#options.onStream(stream);
    // RST without an ACK before it says that the stream was refused, and nothing of it read.
    if (!stream.isClosed) {
      this.#sender.control(typeWindowUpdate, flagAck, id, this.#initialWindowBytes - initialWindow);
    }
    return null;
  }

  #addStream(id: number): SessionStream {
    const window = new ReceiveWindow(
      this.#initialWindowBytes,
      this.#maxWindowBytes,
      this.#budget,
      this.now(),
    );
    const stream = new SessionStream(id, window, this.#sender, this);
    this.#streams.set(id, stream);
    return stream;
  }

  #isOurs(id: number): boolean {
    return (id & 1) === (this.#options.role === 'client' ? 1 : 0);
  }

  #receivePing(flags: number, value: number): string | null {
    if (flags === flagSyn) {
      this.#sender.control(typePing, flagAck, 0, value);
      return null;
    }
    if (flags !== flagAck) return `ping with flags ${flags}`;
    const ping = this.#ping;
    if (ping === null || value !== this.#pingId) {
      this.#ignoredFrames += 1;
      return null;
    }
    this.#ping = null;
    this.#pingAnswer = null;
    this.#measured(this.#lastReceivedAt - ping.sentAt);
    ping.resolve(this.#lastReceivedAt - ping.sentAt);
    return null;
  }

  #measured(ms: number): void {
    this.#roundTripMs = ms;
    if (this.#roundTrips.length === roundTripsKept) this.#roundTrips.shift();
    this.#roundTrips.push(ms);
    this.#minRoundTripMs = Math.min(...this.#roundTrips);
    this.#options.onRoundTrip?.(ms);
  }

  #receiveGoAway(code: number): void {
    this.#otherHasGoneAway = true;
    this.#options.onGoAway(code);
    if (code === goAwayCodes.normal || this.#isClosed) return;
    const kind = code === goAwayCodes.protocolError ? 'protocol_error' : 'internal_error';
    this.#close(new YamuxError(kind, `the other side gave up with code ${code}`), goAwayCodes.normal);
  }

  #close(error: YamuxError | null, goAwayCode: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // A frame that a stopped sender is given goes nowhere, so that streams may still call their methods below.
    this.#sender.control(typeGoAway, 0, 0, goAwayCode);
    this.#sender.stop();
    const reason = error ?? new YamuxError('session_closed', 'the session was closed');
    this.#ping?.reject(reason);
    this.#ping = null;
    this.#pingAnswer = null;
    for (const stream of [...this.#streams.values()]) stream.fail(reason);
    this.#options.onClose(error);
  }
}

function rejected(error: Error): Promise<number> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}
