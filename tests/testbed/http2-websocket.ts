import { createHash } from 'node:crypto';
import http2, {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { BackendConnectionLog } from './raw-backend.ts';
import type { Testbed } from './testbed.ts';

/** The answer that accepts a handshake, whatever its key. */
export function acceptHandshake(connection: BackendConnectionLog, fields = ''): void {
  const key = /^sec-websocket-key: *(\S+)\r$/im.exec(connection.received)?.[1] ?? '';
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  connection.send(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n${fields}\r\n`,
  );
}

/** A session of HTTP/2 with a host of the testbed that offers WebSockets. */
export async function connectHttp2(bed: Testbed, host: string): Promise<ClientHttp2Session> {
  const socket = await bed.connect(host, ['h2']);
  const session = http2.connect(`https://${host}:${bed.port}`, { createConnection: () => socket });
  session.on('error', () => {});
  await new Promise(resolve => session.once('remoteSettings', resolve));
  return session;
}

/** A WebSocket on a stream of HTTP/2 (RFC 8441), as its client sees it. */
export class Http2WebSocket {
  readonly stream: ClientHttp2Stream;
  received: Buffer = Buffer.alloc(0);
  fields: IncomingHttpHeaders = {};
  /** The other side has ended its side. */
  isEnded = false;
  isClosed = false;
  readonly #waiters: { readonly test: () => boolean; readonly resolve: () => void }[] = [];

  constructor(session: ClientHttp2Session, fields: OutgoingHttpHeaders) {
    this.stream = session.request(
      {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'https',
        ':path': '/ws',
        'sec-websocket-version': '13',
        ...fields,
      },
      { endStream: false },
    );
    this.stream.on('error', () => {});
    this.stream.once('response', received => {
      this.fields = received;
      this.#wake();
    });
    this.stream.on('data', (bytes: Buffer) => {
      this.received = Buffer.concat([this.received, bytes]);
      this.#wake();
    });
    this.stream.once('end', () => {
      this.isEnded = true;
      this.#wake();
    });
    this.stream.once('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  /** Error code of the end; 0 where nothing was reset. */
  get code(): number {
    return this.stream.rstCode ?? 0;
  }

  get text(): string {
    return this.received.toString('latin1');
  }

  /** Resolves with the status of the answer; 0 where the stream ended without one. */
  async status(): Promise<number> {
    await this.#until(() => this.fields[':status'] !== undefined || this.isClosed);
    return Number(this.fields[':status'] ?? 0);
  }

  /** Resolves when a text has come, or the stream has ended. */
  async until(wanted: string): Promise<void> {
    await this.#until(() => this.text.includes(wanted) || this.isClosed);
    if (!this.text.includes(wanted)) throw new Error(`ended with ${this.code} after: ${this.text}`);
  }

  async ended(): Promise<void> {
    await this.#until(() => this.isEnded || this.isClosed);
  }

  async closed(): Promise<void> {
    await this.#until(() => this.isClosed);
  }

  #until(test: () => boolean): Promise<void> {
    if (test()) return Promise.resolve();
    return new Promise(resolve => this.#waiters.push({ test, resolve }));
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) {
      if (!waiter.test()) continue;
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }
}
