import { headerBytes } from './frame.ts';

/** Where the bytes of a session go: a socket, seen as two operations. */
export interface YamuxTransport {
  /** Hands bytes to the socket, which must keep none once it no longer counts them in `queuedBytes`. */
  write(bytes: Buffer): void;
  /** Bytes handed over and not yet gone (`socket.writableLength`). */
  readonly queuedBytes: number;
}

/** DATA frames are at most this long, so that no stream holds up the others for more than that. */
export const maxFramePayload = 16 * 1024;

// An idle session holds the small slab. The large one takes 16 full frames: what may be queued in the socket.
const smallSlabBytes = 1024;
const largeSlabBytes = 16 * (headerBytes + maxFramePayload);
// One being filled and two on their way hold more than the transport's queue takes.
const maxFullSlabs = 2;

/**
 * Collects the frames of one turn of the event loop, so that they go out in one write.
 *
 * Frames are copied into a slab rather than written as lists of buffers: a TLS socket would copy these together
 * anyway, after more work for each. A slab is used again as soon as the transport holds nothing of it: buffers outside
 * the heap that are thrown away are collected late, and a long transfer would grow the process by as much as it may.
 */
export class Output {
  /** What `reserve`'s offsets refer to; valid until the next `reserve`. */
  slab: Buffer = Buffer.allocUnsafeSlow(smallSlabBytes);
  readonly #transport: YamuxTransport;
  #start = 0;
  #end = 0;
  #wasBusy = false;
  #handedBytes = 0;
  /** Large slabs that are full, the oldest first, each with what had been handed over when it was. */
  readonly #full: { readonly slab: Buffer; readonly handedBytes: number }[] = [];

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
    this.#handedBytes += bytes.length;
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
    this.#full.length = 0;
    this.slab = Buffer.allocUnsafeSlow(smallSlabBytes);
    this.#start = 0;
    this.#end = 0;
  }

  #replace(): void {
    this.flush();
    const full = this.slab;
    this.slab = this.#takeSlab();
    this.#start = 0;
    this.#end = 0;
    if (full.length === largeSlabBytes && this.#full.length < maxFullSlabs) {
      this.#full.push({ slab: full, handedBytes: this.#handedBytes });
    }
  }

  #takeSlab(): Buffer {
    const goneBytes = this.#handedBytes - this.#transport.queuedBytes;
    const isFree = this.#full.length > 0 && this.#full[0].handedBytes <= goneBytes;
    return isFree ? this.#full.shift()!.slab : Buffer.allocUnsafeSlow(largeSlabBytes);
  }
}
