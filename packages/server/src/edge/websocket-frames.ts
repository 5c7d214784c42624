/**
 * Follows the WebSocket frames of one direction (RFC 6455 §5.2) by their lengths alone, so that the relay knows where
 * one ends and may put a close frame of its own between two. Payloads are not looked at.
 */
export class FrameTracker {
  #header = 0;
  #headerNeeded = 2;
  #extended = 0;
  #lengthCode = 0;
  #payload = 0;

  /** Whether the last byte seen ended a frame. */
  get isAtBoundary(): boolean {
    return this.#header === 0 && this.#payload === 0;
  }

  /** Takes the next bytes. */
  push(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#payload > 0) {
        const skipped = Math.min(this.#payload, end - at);
        this.#payload -= skipped;
        at += skipped;
        continue;
      }
      this.#takeHeaderByte(bytes[at++]!);
    }
  }

  #takeHeaderByte(byte: number): void {
    if (this.#header === 1) {
      this.#lengthCode = byte & 0x7f;
      const lengthBytes = this.#lengthCode === 126 ? 2 : this.#lengthCode === 127 ? 8 : 0;
      this.#headerNeeded = 2 + lengthBytes + ((byte & 0x80) !== 0 ? 4 : 0);
      this.#extended = 0;
    } else if (this.#header >= 2 && this.#header < 2 + this.#lengthBytes()) {
      this.#extended = this.#extended * 256 + byte;
    }
    this.#header += 1;
    if (this.#header < 2 || this.#header < this.#headerNeeded) return;
    this.#payload = this.#lengthCode < 126 ? this.#lengthCode : this.#extended;
    this.#header = 0;
    this.#headerNeeded = 2;
  }

  #lengthBytes(): number {
    if (this.#lengthCode === 126) return 2;
    return this.#lengthCode === 127 ? 8 : 0;
  }
}

/** An unmasked close frame with a status code and a reason (RFC 6455 §5.5.1), as a server sends it. */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason).subarray(0, 123);
  const frame = Buffer.alloc(4 + text.length);
  frame[0] = 0x88;
  frame[1] = 2 + text.length;
  frame.writeUInt16BE(code, 2);
  text.copy(frame, 4);
  return frame;
}
