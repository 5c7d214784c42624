import { headerBytes } from './frame.ts';

/** Where the bytes of a session go: a socket, seen as two operations. */
export interface YamuxTransport {
  /** Hands bytes to the socket. They must not be kept once `queuedBytes` has returned to 0. */
  write(bytes: Buffer): void;
  /** Bytes handed over and not yet gone (`socket.writableLength`). */
  readonly queuedBytes: number;
}

/** DATA frames are at most this long, so that no stream holds up the others for more than that. */
export const maxFramePayload = 16 * 1024;

// An idle session holds the small slab. The large one takes 16 full frames: what may be queued in the socket.
const smallSlabBytes = 1024;
const largeSlabBytes = 16 * (headerBytes + maxFramePayload);

/**
 * Collects the frames of one turn of the event loop, so that they go out in one write.
 *
 * Frames are copied into a slab rather than written as lists of buffers: a TLS socket would copy these together
 * anyway, after more work for each. The slab is used again as soon as the transport holds nothing of it.
 */
export class Output {
  /** What `reserve`'s offsets refer to; valid until the next `reserve`. */
  slab: Buffer = Buffer.allocUnsafeSlow(smallSlabBytes);
  readonly #transport: YamuxTransport;
  #start = 0;
  #end = 0;
  #wasBusy = false;

  constructor(transport: YamuxTransport) {
    this.#transport = transport;
  }

  /** Bytes collected and not yet handed to the transport. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Makes place for `bytes` in one piece and returns its offset in `slab`. */
  reserve(bytes: number): number {
    if (this.#start === this.#end && this.#end !== 0 && this.#transport.queuedBytes === 0) {
      this.#start = 0;
      this.#end = 0;
    }
    if (this.#end + bytes > this.slab.length) this.#replace();
    const at = this.#end;
    this.#end += bytes;
    return at;
  }

  /** Lengthens what was reserved last. False: there is no place behind it. */
  extend(bytes: number): boolean {
    if (this.#end + bytes > this.slab.length) return false;
    this.#end += bytes;
    return true;
  }

  /** Hands over everything collected. */
  flush(): void {
    if (this.#start === this.#end) return;
    const bytes = this.slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    if (bytes.length > smallSlabBytes) this.#wasBusy = true;
    this.#transport.write(bytes);
  }

  /** Called now and then: lets go of the large slab where it was not needed since the last call. */
  shrink(): void {
    if (this.#wasBusy) {
      this.#wasBusy = false;
      return;
    }
    if (this.slab.length === smallSlabBytes || this.length > 0) return;
    this.slab = Buffer.allocUnsafeSlow(smallSlabBytes);
    this.#start = 0;
    this.#end = 0;
  }

  #replace(): void {
    this.flush();
    this.slab = Buffer.allocUnsafeSlow(largeSlabBytes);
    this.#start = 0;
    this.#end = 0;
  }
}
