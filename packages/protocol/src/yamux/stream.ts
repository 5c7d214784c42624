import { flagRst, typeWindowUpdate } from './frame.ts';
import type { ReceiveWindow } from './receive-window.ts';
import { Outgoing, type OutgoingOwner, type Sender } from './sender.ts';

/**
 * One flow-controlled byte stream of a session. After `onError`, after `reset`, and after both sides have ended,
 * its methods do nothing.
 */
export interface YamuxStream {
  readonly id: number;
  /** Called with received bytes, a part of what `receive` was given. */
  onData: (bytes: Buffer) => void;
  /** The other side has sent its last byte. */
  onEnd: () => void;
  /** The stream broke: nothing more will be called. The error is a YamuxError. */
  onError: (error: Error) => void;
  /** After `write` returned false: there is room again. */
  onDrain: () => void;

  /** Queues bytes, which must not be changed afterwards. False: stop until `onDrain`. */
  write(bytes: Buffer): boolean;
  /**
   * As `write`, for bytes that are only valid during the call, such as those in a buffer that is read into again.
   * Where they can go at once, this costs no copy more than `write`.
   */
  writeBorrowed(bytes: Buffer): boolean;
  /** No more bytes will be written. */
  end(): void;
  /** Ends both directions at once; no callback follows. */
  reset(): void;
  /**
   * Says that `length` bytes given to `onData` have gone on, so that the other side may send as many more.
   *
   * @throws RangeError if they were not given.
   */
  consumed(length: number): void;

  /**
   * Makes this the stream whose bytes go before those of all others, at once if they fit a frame and the window: what
   * is written to another stream afterwards arrives after them. For few and small messages.
   */
  prioritize(): void;

  /** Both directions have ended, or the stream was reset. */
  readonly isClosed: boolean;
  /** How much the other side may send before it hears from us; grows while the reader keeps up. */
  readonly windowBytes: number;
  /** Bytes written and waiting for the other side's window or for their turn. */
  readonly pendingBytes: number;
}

/** What a stream needs of its session. */
export interface StreamOwner {
  readonly minRoundTripMs: number | null;
  now(): number;
  forget(id: number): void;
}

/** A stream as the session sees it. */
export class SessionStream implements YamuxStream, OutgoingOwner {
  readonly id: number;
  readonly outgoing: Outgoing;
  readonly window: ReceiveWindow;
  readonly #sender: Sender;
  readonly #owner: StreamOwner;
  onData: (bytes: Buffer) => void = ignore;
  onEnd: () => void = ignore;
  onError: (error: Error) => void = ignore;
  onDrain: () => void = ignore;
  isClosed = false;
  /** The other side has ended. */
  isReceived = false;
  /** The other side has acknowledged, or we have. */
  isAccepted = false;

  constructor(id: number, window: ReceiveWindow, sender: Sender, owner: StreamOwner) {
    this.id = id;
    this.window = window;
    this.outgoing = new Outgoing(id, this);
    this.#sender = sender;
    this.#owner = owner;
  }

  prioritize(): void {
    this.outgoing.isUrgent = true;
  }

  get windowBytes(): number {
    return this.window.sizeBytes;
  }

  get pendingBytes(): number {
    return this.outgoing.pendingBytes;
  }

  write(bytes: Buffer): boolean {
    if (this.isClosed) return true;
    if (this.outgoing.isEnded) throw new TypeError(`stream ${this.id} is written to after its end`);
    return this.#sender.write(this.outgoing, bytes, false);
  }

  writeBorrowed(bytes: Buffer): boolean {
    if (this.isClosed) return true;
    if (this.outgoing.isEnded) throw new TypeError(`stream ${this.id} is written to after its end`);
    return this.#sender.write(this.outgoing, bytes, true);
  }

  end(): void {
    if (this.outgoing.isEnded) return;
    this.#sender.end(this.outgoing);
  }

  reset(): void {
    if (this.isClosed) return;
    this.close();
    this.#sender.control(typeWindowUpdate, flagRst, this.id, 0);
  }

  consumed(length: number): void {
    if (this.isClosed || this.isReceived) return;
    const delta = this.window.consume(length, this.#owner.now(), this.#owner.minRoundTripMs);
    if (delta > 0) this.#sender.control(typeWindowUpdate, 0, this.id, delta);
  }

  /** FIN of the other side. */
  receiveEnd(): void {
    this.isReceived = true;
    const isOver = this.outgoing.isFinished;
    if (isOver) this.close();
    this.onEnd();
  }

  /** The stream is over without another frame of ours. */
  fail(error: Error): void {
    if (this.isClosed) return;
    this.close();
    this.onError(error);
  }

  close(): void {
    this.isClosed = true;
    this.#sender.drop(this.outgoing);
    this.window.release();
    this.#owner.forget(this.id);
  }

  outgoingDrained(): void {
    this.onDrain();
  }

  outgoingFinished(): void {
    if (this.isReceived) this.close();
  }
}

function ignore(): void {}
