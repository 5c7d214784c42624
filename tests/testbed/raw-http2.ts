import type { Socket } from 'node:net';

/** Frame types of RFC 9113 §6. */
export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

/** One frame as it came. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Entries 8 to 14 of the static table (RFC 7541, appendix A). */
const indexedStatuses = [200, 204, 206, 304, 400, 404, 500];

export type Field = readonly [name: string, value: string];

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** A client of HTTP/2 made of frames: it says what no library would, and keeps every frame that comes back. */
export class RawHttp2 {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  isClosed = false;
  #received = Buffer.alloc(0);
  readonly #waiters: { readonly test: () => boolean; readonly resolve: () => void }[] = [];

  /**
   * Sends the preface and empty SETTINGS, or what is to be sent in their place, and from then on acknowledges SETTINGS by
   * itself.
   */
  constructor(socket: Socket, opening: Buffer = Buffer.concat([preface, frame(frameTypes.settings, 0, 0)])) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
    socket.write(opening);
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** Resolves when what came satisfies a test; rejects if the connection ends before. */
  async until(test: () => boolean): Promise<void> {
    if (!test()) await new Promise<void>(resolve => this.#waiters.push({ test, resolve }));
    if (!test()) throw new Error(`the connection ended: ${this.frames.map(describeFrame).join(' ')}`);
  }

  /** Resolves when the stream has ended, with the error code of its end or null after END_STREAM alone. */
  async ended(streamId: number): Promise<number | null> {
    const isEnd = (one: Frame) =>
      one.streamId === streamId &&
      (one.type === frameTypes.reset || (one.type <= 1 && (one.flags & flags.endStream) !== 0));
    await this.until(() => this.frames.some(isEnd));
    const reset = this.of(streamId, frameTypes.reset)[0];
    return reset === undefined ? null : reset.payload.readUInt32BE(0);
  }

  /** Resolves with the error code of GOAWAY, or null if the connection ended without one. */
  async goneAway(): Promise<number | null> {
    const found = () => this.of(0, frameTypes.goAway)[0];
    if (found() === undefined && !this.isClosed) {
      const test = () => found() !== undefined || this.isClosed;
      await new Promise<void>(resolve => this.#waiters.push({ test, resolve }));
    }
    return found()?.payload.readUInt32BE(4) ?? null;
  }

  async closed(): Promise<void> {
    if (!this.isClosed)
      await new Promise<void>(resolve => this.#waiters.push({ test: () => this.isClosed, resolve }));
  }

  of(streamId: number, type: number): Frame[] {
    return this.frames.filter(one => one.streamId === streamId && one.type === type);
  }

  /** Content of a stream so far. */
  body(streamId: number): string {
    return Buffer.concat(this.of(streamId, frameTypes.data).map(one => one.payload)).toString('latin1');
  }

  /** The status of an answer, whose first field it is, in one of the forms that encoders choose for it; 0 without one. */
  status(streamId: number): number {
    const whole = this.of(streamId, frameTypes.headers)[0]?.payload;
    if (whole === undefined) return 0;
    const block = whole.subarray(tableSizeUpdatesOf(whole));
    const first = block[0]!;
    if (first >= 0x88 && first <= 0x8e) return indexedStatuses[first - 0x88]!;
    // A literal with the name of entry 8.
    const length = block[1]! & 0x7f;
    const value = block.subarray(2, 2 + length);
    return Number((block[1]! & 0x80) === 0 ? value.toString('latin1') : decodeDigits(value));
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 9) {
      const end = 9 + this.#received.readUIntBE(0, 3);
      if (this.#received.length < end) break;
      const head = this.#received;
      const received = {
        type: head[3]!,
        flags: head[4]!,
        streamId: head.readUInt32BE(5) & 0x7fffffff,
        payload: Buffer.from(head.subarray(9, end)),
      };
      this.#received = head.subarray(end);
      this.frames.push(received);
      if (received.type === frameTypes.settings && (received.flags & flags.ack) === 0) {
        this.send(frame(frameTypes.settings, flags.ack, 0));
      }
    }
    this.#wake();
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) {
      if (!waiter.test() && !this.isClosed) continue;
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }
}

export function frame(
  type: number,
  flagBits: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flagBits;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** A whole field section in one HEADERS frame. */
export function headers(streamId: number, fields: readonly Field[], endStream = true): Buffer {
  const flagBits = flags.endHeaders | (endStream ? flags.endStream : 0);
  return frame(frameTypes.headers, flagBits, streamId, encodeFields(fields));
}

export function data(streamId: number, content: string | Buffer, endStream = false): Buffer {
  const payload = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
  return frame(frameTypes.data, endStream ? flags.endStream : 0, streamId, payload);
}

export function reset(streamId: number, code: number): Buffer {
  return frame(frameTypes.reset, 0, streamId, uint32(code));
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame(frameTypes.windowUpdate, 0, streamId, uint32(increment));
}

/** HPACK, literal without indexing (RFC 7541 §6.2.2), without Huffman coding: whatever bytes are wanted. */
export function encodeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.from([0]), encodeString(name), encodeString(value)]),
  );
}

export function encodeString(text: string): Buffer {
  return Buffer.concat([encodeInteger(text.length, 7, 0), Buffer.from(text, 'latin1')]);
}

/** An integer with a prefix of so many bits (RFC 7541 §5.1). */
export function encodeInteger(value: number, prefixBits: number, firstByte: number): Buffer {
  const most = 2 ** prefixBits - 1;
  if (value < most) return Buffer.from([firstByte | value]);
  const bytes = [firstByte | most];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function describeFrame({ type, flags: flagBits, streamId, payload }: Frame): string {
  return `${type}/${flagBits}@${streamId}:${payload.subarray(0, 16).toString('hex')}`;
}

/** How many bytes at the start of a field block change the size of the table (RFC 7541 §6.3). */
function tableSizeUpdatesOf(block: Buffer): number {
  let at = 0;
  while ((block[at]! & 0xe0) === 0x20) {
    const isLong = (block[at]! & 0x1f) === 0x1f;
    at += 1;
    while (isLong && (block[at]! & 0x80) !== 0) at += 1;
    if (isLong) at += 1;
  }
  return at;
}

/** Digits of the Huffman code are five bits each for 0, 1 and 2, else six (RFC 7541, appendix B). */
function decodeDigits(bytes: Buffer): string {
  const bits = [...bytes].map(byte => byte.toString(2).padStart(8, '0')).join('');
  let digits = '';
  for (let at = 0; at + 5 <= bits.length; ) {
    const five = Number.parseInt(bits.slice(at, at + 5), 2);
    if (five <= 2) {
      digits += five;
      at += 5;
      continue;
    }
    const six = Number.parseInt(bits.slice(at, at + 6).padEnd(6, '1'), 2);
    if (six < 0x19 || six > 0x1f) return digits;
    digits += six - 0x19 + 3;
    at += 6;
  }
  return digits;
}
