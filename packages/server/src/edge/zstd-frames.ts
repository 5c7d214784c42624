// What is being read (RFC 8878 §3.1).
const magic = 0;
const skippedSize = 1;
const skipped = 2;
const descriptor = 3;
const header = 4;
const blockHeader = 5;
const block = 6;
const checksum = 7;
/** What nobody can read any more. */
const unknown = 8;

const frameMagic = 0xfd2fb528;
/** The last four bits say nothing. */
const skippableMagic = 0x184d2a50;
const rleBlock = 1;
const reservedBlock = 3;

/** Cuts content in zstd where its frames end: Node's decoder takes what follows in the same piece for junk, and stops. */
export class ZstdFrames {
  #state = magic;
  /** How many bytes of it are missing, and the number that those that came make. */
  #missing = 4;
  #value = 0;
  #bits = 0;
  #magic: number[] = [];
  #isFirst = true;
  #hasChecksum = false;
  #isLastBlock = false;

  /** What the decoder is to get, in so many pieces. What is no frame behind one is left out. */
  split(bytes: Buffer): Buffer[] {
    const pieces: Buffer[] = [];
    let from = 0;
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === unknown) return this.#isFirst ? [...pieces, bytes.subarray(from)] : pieces;
      const end = Math.min(at + this.#missing, bytes.length);
      this.#read(bytes, at, end);
      this.#missing -= end - at;
      at = end;
      if (this.#missing > 0) break;
      const wasMagic = this.#state === magic;
      this.#next();
      // The four bytes may have come one by one.
      if (wasMagic && (this.#state !== unknown || this.#isFirst)) pieces.push(Buffer.from(this.#magic));
      if (wasMagic) from = at;
      if (this.#state !== magic) continue;
      if (at > from) pieces.push(bytes.subarray(from, at));
      from = at;
    }
    if (this.#state !== magic && from < at) pieces.push(bytes.subarray(from, at));
    return pieces;
  }

  /** What is left where the content ends within the first four bytes of all; it is nothing that can be decoded. */
  end(): Buffer {
    return Buffer.from(this.#isFirst && this.#state === magic ? this.#magic : []);
  }

  #read(bytes: Buffer, start: number, end: number): void {
    const isNumber = this.#state !== skipped && this.#state !== block && this.#state !== header;
    if (!isNumber) return;
    if (this.#state === magic && this.#missing === 4) this.#magic = [];
    for (let at = start; at < end; at++) {
      if (this.#state === magic) this.#magic.push(bytes[at]!);
      this.#value += bytes[at]! * 2 ** this.#bits;
      this.#bits += 8;
    }
  }

  /** What was being read is there. */
  #next(): void {
    const value = this.#value;
    this.#value = 0;
    this.#bits = 0;
    switch (this.#state) {
      case magic:
        if (value === frameMagic) return this.#expect(descriptor, 1);
        if (value - (value % 16) === skippableMagic) return this.#expect(skippedSize, 4);
        this.#state = unknown;
        return;
      case skippedSize:
        return value === 0 ? this.#endFrame() : this.#expect(skipped, value);
      case descriptor:
        this.#hasChecksum = (value & 0x04) !== 0;
        return this.#expect(header, headerLength(value));
      case header:
        return this.#expect(blockHeader, 3);
      case blockHeader:
        return this.#openBlock(value);
      case block:
        return this.#endBlock();
      case skipped:
      case checksum:
        return this.#endFrame();
    }
  }

  #openBlock(value: number): void {
    const kind = (value >> 1) & 3;
    this.#isLastBlock = (value & 1) === 1;
    if (kind === reservedBlock) {
      // The decoder says so.
      this.#expect(block, Number.POSITIVE_INFINITY);
      return;
    }
    const length = kind === rleBlock ? 1 : value >> 3;
    if (length === 0) this.#endBlock();
    else this.#expect(block, length);
  }

  #endBlock(): void {
    if (!this.#isLastBlock) this.#expect(blockHeader, 3);
    else if (this.#hasChecksum) this.#expect(checksum, 4);
    else this.#endFrame();
  }

  #endFrame(): void {
    this.#isFirst = false;
    this.#expect(magic, 4);
  }

  #expect(state: number, length: number): void {
    this.#state = state;
    this.#missing = length;
  }
}

/** Of the frame header behind its descriptor (RFC 8878 §3.1.1.1); at least one byte. */
function headerLength(value: number): number {
  const isSingleSegment = (value & 0x20) !== 0;
  const contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][value >> 6]!;
  const dictionaryId = [0, 1, 2, 4][value & 3]!;
  return (isSingleSegment ? 0 : 1) + dictionaryId + contentSize;
}
