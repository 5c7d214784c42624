import { Duplex } from 'node:stream';
import type { BackendStream } from './backend-stream.ts';

/** What is taken ahead of a reader that has stopped for a moment. */
const maxUnreadBytes = 256 * 1024;
/**
 * What may wait for the stream before the writer is told to wait, too. The frames' library reads nothing while it waits to
 * write: with less room than this, two sides that are busy sending would wait for each other.
 */
const maxUnsentBytes = 1024 * 1024;
/** Up to this size pieces go out as one. */
const maxJoinBytes = 64 * 1024;

type Done = (error?: Error | null) => void;

/** A stream towards a backend for a library that wants one of Node's. Whoever owns it passes on what comes, and the end. */
export class StreamDuplex extends Duplex {
  /** Bytes handed to the stream. */
  offset = 0;
  readonly #stream: BackendStream;
  #unconsumed = 0;
  #unsent = 0;
  #blocked: Done | null = null;

  constructor(stream: BackendStream) {
    super({ readableHighWaterMark: maxUnreadBytes, writableHighWaterMark: maxUnsentBytes });
    this.#stream = stream;
    stream.onDrain = () => this.#drained();
  }

  /** A write waits for room, which may never come. */
  get isBlocked(): boolean {
    return this.#blocked !== null;
  }

  /** Takes bytes of the backend. */
  receive(bytes: Buffer): void {
    if (this.push(bytes)) this.#stream.consumed(bytes.length);
    else this.#unconsumed += bytes.length;
  }

  override _read(): void {
    const length = this.#unconsumed;
    if (length === 0) return;
    this.#unconsumed = 0;
    this.#stream.consumed(length);
  }

  override _write(bytes: Buffer, _encoding: string, done: Done): void {
    this.offset += bytes.length;
    if (!this.#stream.write(bytes)) this.#unsent += bytes.length;
    if (this.#unsent < maxUnsentBytes) done();
    else this.#blocked = done;
  }

  override _writev(pieces: { chunk: Buffer }[], done: Done): void {
    const chunks = pieces.map(piece => piece.chunk);
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (length <= maxJoinBytes) return this._write(Buffer.concat(chunks, length), '', done);
    this.offset += length;
    let hasRoom = true;
    for (const chunk of chunks) hasRoom = this.#stream.write(chunk);
    if (!hasRoom) this.#unsent += length;
    if (this.#unsent < maxUnsentBytes) done();
    else this.#blocked = done;
  }

  override _final(done: Done): void {
    this.#stream.end();
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#stream.reset();
    done(error);
  }

  #drained(): void {
    this.#unsent = 0;
    const done = this.#blocked;
    this.#blocked = null;
    done?.();
  }
}
