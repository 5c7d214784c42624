/** Takes the places where content changes, in the order in which they stand. */
export interface ContentEdits {
  /** Puts `text` (ASCII) in the place of bytes[start, end). */
  replace(start: number, end: number, text: string): void;
}

/** Translates the content of one answer as it comes. */
export interface ContentTranslator {
  /**
   * Takes the next bytes and gives what can go on of everything so far; it may be empty, and it may be `bytes` itself.
   */
  push(bytes: Buffer): Buffer;
  /** Gives the rest. */
  end(): Buffer;
}

const none = Buffer.alloc(0);

/**
 * The bytes that are being looked at: what came last, and behind a place that is not decided yet, what came before. Every
 * byte that is not replaced goes on as it came.
 */
export class ContentWindow implements ContentEdits {
  bytes: Buffer = none;
  #out: Buffer = none;
  #length = 0;
  /** What stands before here in `bytes` is in `out` or replaced. */
  #copied = 0;

  /** Adds bytes behind what was held. */
  add(bytes: Buffer): void {
    this.bytes = this.bytes.length === 0 ? bytes : Buffer.concat([this.bytes, bytes]);
  }

  replace(start: number, end: number, text: string): void {
    this.#copyUpTo(start, text.length);
    this.#length += this.#out.write(text, this.#length, 'latin1');
    this.#copied = end;
  }

  /** As `replace`. */
  replaceWith(start: number, end: number, bytes: Buffer): void {
    this.#copyUpTo(start, bytes.length);
    this.#length += bytes.copy(this.#out, this.#length);
    this.#copied = end;
  }

  #copyUpTo(start: number, room: number): void {
    // The translated page is mostly a little longer or shorter than the original.
    if (this.#out.length === 0) this.#out = Buffer.allocUnsafe(this.bytes.length + room + 1024);
    this.#makeRoom(start - this.#copied + room);
    this.#length += this.bytes.copy(this.#out, this.#length, this.#copied, start);
  }

  /** Gives everything before `end`, changed as it was asked; the rest is held. */
  take(end: number): Buffer {
    const { bytes } = this;
    this.bytes = end === bytes.length ? none : bytes.subarray(end);
    if (this.#copied === 0) return end === bytes.length ? bytes : bytes.subarray(0, end);
    this.#makeRoom(end - this.#copied);
    this.#length += bytes.copy(this.#out, this.#length, this.#copied, end);
    const taken = this.#out.subarray(0, this.#length);
    this.#out = none;
    this.#length = 0;
    this.#copied = 0;
    return taken;
  }

  #makeRoom(length: number): void {
    if (this.#length + length <= this.#out.length) return;
    const larger = Buffer.allocUnsafe((this.#length + length) * 2);
    this.#out.copy(larger, 0, 0, this.#length);
    this.#out = larger;
  }
}
