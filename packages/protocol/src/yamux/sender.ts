import {
  flagFin,
  headerBytes,
  initialWindow,
  typeData,
  typeWindowUpdate,
  writeHeader,
  writeUint32,
} from './frame.ts';
import { maxFramePayload, Output, type YamuxTransport } from './output.ts';

/** A stream asks its writer to stop beyond this many pending bytes, and to go on below half of it. */
const pendingHighWaterBytes = 128 * 1024;
const pendingLowWaterBytes = pendingHighWaterBytes / 2;

/** What control frames may add to the transport's queue when nobody reads it, before that is called a flood. */
const maxExcessBytes = 1024 * 1024;

export interface OutgoingOwner {
  /** After `write` returned false: there is room again. */
  outgoingDrained(): void;
  /** FIN has been sent. */
  outgoingFinished(): void;
}

/** The way out of one stream: what waits, and how much the other side still takes. */
export class Outgoing {
  readonly id: number;
  readonly owner: OutgoingOwner;
  window = initialWindow;
  pendingBytes = 0;
  isEnded = false;
  isFinished = false;
  /** Goes before other streams, and does not wait for room in the transport's queue. */
  isUrgent = false;
  wantsDrain = false;
  isReady = false;
  nextReady: Outgoing | null = null;
  readonly #chunks: Buffer[] = [];
  #firstChunk = 0;
  #offset = 0;

  constructor(id: number, owner: OutgoingOwner) {
    this.id = id;
    this.owner = owner;
  }

  push(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.pendingBytes += bytes.length;
  }

  /** Moves the next `length` pending bytes to `target`. */
  moveTo(target: Buffer, at: number, length: number): void {
    const end = at + length;
    this.pendingBytes -= length;
    while (at < end) {
      const chunk = this.#chunks[this.#firstChunk];
      const take = Math.min(chunk.length - this.#offset, end - at);
      chunk.copy(target, at, this.#offset, this.#offset + take);
      at += take;
      this.#offset += take;
      if (this.#offset === chunk.length) this.#dropChunk();
    }
    if (this.pendingBytes === 0) this.clear();
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#firstChunk = 0;
    this.#offset = 0;
    this.pendingBytes = 0;
  }

  #dropChunk(): void {
    this.#firstChunk += 1;
    this.#offset = 0;
    // Rarely, so that a queue which never runs empty costs no move per chunk.
    if (this.#firstChunk < 1024) return;
    this.#chunks.splice(0, this.#firstChunk);
    this.#firstChunk = 0;
  }
}

/**
 * Puts the frames of all streams in order: control frames at once; data as the streams' windows and the transport's
 * queue permit, a frame from each stream in turn.
 */
export class Sender {
  readonly #transport: YamuxTransport;
  readonly #output: Output;
  readonly #maxQueuedBytes: number;
  readonly #schedule: (flush: () => void) => void;
  readonly #onFlood: () => void;
  readonly #flushScheduled = (): void => {
    this.#isScheduled = false;
    this.flush();
  };
  #isScheduled = false;
  #isStopped = false;
  #pendingBytes = 0;
  #firstReady: Outgoing | null = null;
  #lastReady: Outgoing | null = null;
  // The DATA frame at the end of the output, which later bytes of its stream may still join.
  #tail: Outgoing | null = null;
  #tailAt = 0;
  #tailPayload = 0;

  constructor(
    transport: YamuxTransport,
    maxQueuedBytes: number,
    schedule: (flush: () => void) => void,
    onFlood: () => void,
  ) {
    this.#transport = transport;
    this.#output = new Output(transport);
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#schedule = schedule;
    this.#onFlood = onFlood;
  }

  /** Everything not yet gone: waiting in streams, collected, queued in the transport. */
  get queuedBytes(): number {
    return this.#pendingBytes + this.#output.length + this.#transport.queuedBytes;
  }

  /** Sends a frame that carries no payload. */
  control(type: number, flags: number, streamId: number, length: number): void {
    if (this.#isStopped) return;
    const at = this.#output.reserve(headerBytes);
    writeHeader(this.#output.slab, at, type, flags, streamId, length);
    this.#tail = null;
    this.#scheduleFlush();
  }

  /**
   * Queues bytes of a stream. False: stop until `outgoingDrained`.
   *
   * @param isBorrowed The bytes are only valid during this call.
   */
  write(outgoing: Outgoing, bytes: Buffer, isBorrowed: boolean): boolean {
    const length = bytes.length;
    if (length === 0 || this.#isStopped) return true;
    if (this.#mayGoAtOnce(outgoing, length)) {
      const at = this.#reserveData(outgoing, length);
      bytes.copy(this.#output.slab, at);
      this.#scheduleFlush();
      return true;
    }
    outgoing.push(isBorrowed ? Buffer.from(bytes) : bytes);
    this.#pendingBytes += length;
    this.#makeReady(outgoing);
    this.#scheduleFlush();
    // Each borrowed piece that must wait is a copy: one of them is enough.
    if (!isBorrowed && outgoing.pendingBytes <= pendingHighWaterBytes) return true;
    outgoing.wantsDrain = true;
    return false;
  }

  /** Sends FIN after what is pending. */
  end(outgoing: Outgoing): void {
    outgoing.isEnded = true;
    if (outgoing.pendingBytes === 0) this.#finish(outgoing);
  }

  /** The other side takes `bytes` more. */
  widen(outgoing: Outgoing, bytes: number): void {
    outgoing.window += bytes;
    if (outgoing.pendingBytes === 0) return;
    this.#makeReady(outgoing);
    this.#scheduleFlush();
  }

  /** Forgets what is pending for a stream. */
  drop(outgoing: Outgoing): void {
    this.#pendingBytes -= outgoing.pendingBytes;
    outgoing.isEnded = true;
    outgoing.isFinished = true;
    outgoing.wantsDrain = false;
    outgoing.clear();
  }

  /** Hands over what is collected, after filling it up with what streams have pending. */
  flush(): void {
    if (this.#isStopped) return;
    this.#fill();
    this.#tail = null;
    this.#output.flush();
    if (this.#transport.queuedBytes > this.#maxQueuedBytes + maxExcessBytes) this.#onFlood();
  }

  /** The transport has room again. */
  drained(): void {
    if (this.#firstReady !== null) this.flush();
  }

  /** Hands over what is collected, and nothing after it. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#output.flush();
    this.#firstReady = null;
    this.#lastReady = null;
  }

  /** Stops without another write: the transport is gone. */
  abandon(): void {
    this.#isStopped = true;
    this.#firstReady = null;
    this.#lastReady = null;
  }

  /** Called with each ping: an idle session gives its memory back. */
  shrink(): void {
    this.#output.shrink();
  }

  // Nothing waits before it, the stream's window and the transport take it whole, and it delays others by one frame.
  #mayGoAtOnce(outgoing: Outgoing, length: number): boolean {
    return (
      outgoing.pendingBytes === 0 &&
      length <= outgoing.window &&
      length <= maxFramePayload &&
      (outgoing.isUrgent || (this.#firstReady === null && this.#room() > 0))
    );
  }

  #room(): number {
    return this.#maxQueuedBytes - this.#transport.queuedBytes - this.#output.length;
  }

  #fill(): void {
    let room = this.#room();
    while (room > 0 && this.#firstReady !== null) {
      const outgoing = this.#shiftReady(this.#firstReady);
      const length = Math.min(outgoing.pendingBytes, outgoing.window, maxFramePayload);
      if (length === 0) continue;
      const at = this.#reserveData(outgoing, length);
      outgoing.moveTo(this.#output.slab, at, length);
      this.#pendingBytes -= length;
      room -= length + headerBytes;
      this.#makeReady(outgoing);
      if (outgoing.isEnded && outgoing.pendingBytes === 0) this.#finish(outgoing);
      if (outgoing.wantsDrain && outgoing.pendingBytes <= pendingLowWaterBytes) {
        outgoing.wantsDrain = false;
        outgoing.owner.outgoingDrained();
      }
    }
  }

  /** Makes place for payload, in the frame at the output's end if that is the stream's own and not full. */
  #reserveData(outgoing: Outgoing, length: number): number {
    outgoing.window -= length;
    if (this.#tail === outgoing && this.#tailPayload + length <= maxFramePayload) {
      const payload = this.#tailPayload;
      if (this.#output.extend(length)) {
        this.#tailPayload = payload + length;
        writeUint32(this.#output.slab, this.#tailAt + 8, this.#tailPayload);
        return this.#tailAt + headerBytes + payload;
      }
    }
    const at = this.#output.reserve(headerBytes + length);
    writeHeader(this.#output.slab, at, typeData, 0, outgoing.id, length);
    this.#tail = outgoing;
    this.#tailAt = at;
    this.#tailPayload = length;
    return at + headerBytes;
  }

  #finish(outgoing: Outgoing): void {
    if (outgoing.isFinished) return;
    outgoing.isFinished = true;
    this.control(typeWindowUpdate, flagFin, outgoing.id, 0);
    outgoing.owner.outgoingFinished();
  }

  #makeReady(outgoing: Outgoing): void {
    if (outgoing.isReady || outgoing.window === 0 || outgoing.pendingBytes === 0) return;
    outgoing.isReady = true;
    if (outgoing.isUrgent && this.#firstReady !== null) {
      outgoing.nextReady = this.#firstReady;
      this.#firstReady = outgoing;
      return;
    }
    if (this.#lastReady === null) this.#firstReady = outgoing;
    else this.#lastReady.nextReady = outgoing;
    this.#lastReady = outgoing;
  }

  #shiftReady(first: Outgoing): Outgoing {
    this.#firstReady = first.nextReady;
    if (this.#firstReady === null) this.#lastReady = null;
    first.nextReady = null;
    first.isReady = false;
    return first;
  }

  #scheduleFlush(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    this.#schedule(this.#flushScheduled);
  }
}
