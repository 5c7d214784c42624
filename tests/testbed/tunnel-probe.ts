import { once } from 'node:events';
import type net from 'node:net';
import tls from 'node:tls';
import { ControlDecoder, encodeControlMessage } from '@postern/protocol/tunnel/control-framing';

/** A frame as it came from the service. */
export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
  /** The last field of the header: of a ping, what its answer repeats. */
  readonly value: number;
}

export const yamux = {
  data: 0,
  windowUpdate: 1,
  ping: 2,
  goAway: 3,
  syn: 1,
  ack: 2,
  fin: 4,
  rst: 8,
} as const;

/** One yamux frame; `length` may lie about the payload. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
  length: number = payload.length,
): Buffer {
  const header = Buffer.alloc(12);
  header[1] = type;
  header.writeUInt16BE(flags, 2);
  header.writeUInt32BE(stream, 4);
  header.writeUInt32BE(length, 8);
  return Buffer.concat([header, payload]);
}

/** The frame with which a connector opens its control stream and says something on it. */
export function controlFrame(message: object, flags: number = yamux.syn): Buffer {
  return frame(yamux.data, flags, 1, encodeControlMessage(message));
}

export const hello = {
  type: 'hello',
  version: 'test',
  features: [],
  machineName: 'probe',
  os: 'test',
} as const;

export interface ProbeOptions extends tls.ConnectionOptions {
  readonly port: number;
  /** Instead of a connection to the port. */
  readonly through?: net.Socket;
}

/** A connector that is made of bytes: it connects to the tunnel listener and says what a test tells it to. */
export class TunnelProbe {
  readonly socket: tls.TLSSocket;
  #received = Buffer.alloc(0);
  #isClosed = false;
  readonly #waiters = new Set<() => void>();

  private constructor(socket: tls.TLSSocket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /** @throws Error if TLS does not agree. */
  static async connect({ port, through, ...options }: ProbeOptions): Promise<TunnelProbe> {
    const socket = tls.connect({
      ...(through === undefined ? { host: '127.0.0.1', port } : { socket: through }),
      ALPNProtocols: ['postern/1'],
      // The service's own authority is the connector's business, and tested there.
      rejectUnauthorized: false,
      ...options,
    });
    const probe = new TunnelProbe(socket);
    const closed = once(socket, 'close').then(() => {
      throw new Error('closed before TLS had agreed');
    });
    closed.catch(() => {});
    await Promise.race([once(socket, 'secureConnect'), closed]);
    return probe;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The whole frames that came so far. */
  get frames(): ReceivedFrame[] {
    const frames: ReceivedFrame[] = [];
    for (let at = 0; at + 12 <= this.#received.length; ) {
      const type = this.#received[at + 1]!;
      const flags = this.#received.readUInt16BE(at + 2);
      const stream = this.#received.readUInt32BE(at + 4);
      const value = this.#received.readUInt32BE(at + 8);
      const length = type === yamux.data ? value : 0;
      if (at + 12 + length > this.#received.length) break;
      const payload = this.#received.subarray(at + 12, at + 12 + length);
      frames.push({ type, flags, stream, payload, value });
      at += 12 + length;
    }
    return frames;
  }

  /** What came on the control stream so far. */
  get messages(): { readonly type: string; readonly [field: string]: unknown }[] {
    const bytes = this.frames
      .filter(one => one.type === yamux.data && one.stream === 1)
      .map(one => one.payload);
    return new ControlDecoder().push(Buffer.concat(bytes)) as { readonly type: string }[];
  }

  send(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** Answers every ping, also those that came before. */
  answerPings(): void {
    let answered = 0;
    const answer = () => {
      const pings = this.frames.filter(({ type, flags }) => type === yamux.ping && flags === yamux.syn);
      for (const { value } of pings.slice(answered)) {
        this.send(frame(yamux.ping, yamux.ack, 0, undefined, value));
      }
      answered = pings.length;
    };
    this.socket.on('data', answer);
    answer();
  }

  /** Resolves with the first control message of a type. */
  async message(type: string): Promise<{ readonly [field: string]: unknown }> {
    await this.#wait(() => this.#isClosed || this.messages.some(one => one.type === type));
    const found = this.messages.find(one => one.type === type);
    if (found === undefined) throw new Error(`closed before "${type}" came`);
    return found;
  }

  async closed(): Promise<void> {
    await this.#wait(() => this.#isClosed);
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #wait(isOver: () => boolean): Promise<void> {
    while (!isOver()) await new Promise<void>(resolve => this.#waiters.add(resolve));
  }

  #wake(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }
}
