import { once } from 'node:events';
import net from 'node:net';
import type { TLSSocket } from 'node:tls';

/** What became of one request. */
export interface LoadOutcome {
  readonly isPost: boolean;
  /** `performance.now()` when it was sent, and when its answer was complete or the connection was lost. */
  readonly sentAt: number;
  readonly endedAt: number;
  /** The whole answer; empty where the connection was lost. */
  readonly answer: string;
}

export interface SteadyLoadOptions {
  readonly connect: () => Promise<TLSSocket>;
  /** Whole requests without content; a connection sends them in turns. */
  readonly get: string;
  readonly post: string;
  readonly perSecond: number;
  readonly connections: number;
}

/**
 * Requests at an even pace over connections that stay open, each sent when its time has come and the answer before it is
 * there. Written by hand, since a load of hundreds a second is to leave the machine to what it is put on.
 */
export class SteadyLoad {
  readonly outcomes: LoadOutcome[] = [];
  readonly #options: SteadyLoadOptions;
  readonly #startedAt = performance.now();
  readonly #running: Promise<void>[];
  #isOver = false;

  constructor(options: SteadyLoadOptions) {
    this.#options = options;
    this.#running = Array.from({ length: options.connections }, (_, index) => this.#run(index));
  }

  /** Requests a second so far. */
  get rate(): number {
    return this.outcomes.length / ((performance.now() - this.#startedAt) / 1_000);
  }

  /** Resolves when so many more requests have ended. */
  async more(count: number): Promise<void> {
    const wanted = this.outcomes.length + count;
    while (this.outcomes.length < wanted) await new Promise(resolve => setTimeout(resolve, 10));
  }

  /** Sends no more; resolves when every answer is there. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  async #run(index: number): Promise<void> {
    const { connect, get, post, perSecond, connections } = this.#options;
    const requests = [Buffer.from(get, 'latin1'), Buffer.from(post, 'latin1')] as const;
    const everyMs = (1_000 * connections) / perSecond;
    let due = performance.now() + (everyMs * index) / connections;
    let connection = new Answers(await connect());
    for (let count = index; !this.#isOver; count++) {
      const waitMs = due - performance.now();
      if (waitMs > 1) await new Promise(resolve => setTimeout(resolve, waitMs));
      due += everyMs;
      const isPost = count % 2 === 1;
      const sentAt = performance.now();
      const answer = await connection.ask(requests[isPost ? 1 : 0]);
      this.outcomes.push({ isPost, sentAt, endedAt: performance.now(), answer });
      if (connection.isClosed) connection = new Answers(await connect());
    }
    connection.destroy();
  }
}

/** One connection of the load. */
class Answers {
  isClosed = false;
  readonly #socket: TLSSocket;
  #received = '';
  #resolve: (answer: string) => void = () => {};

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', text => this.#receive(String(text)));
    socket.on('error', () => {});
    socket.on('end', () => this.#ended());
    socket.on('close', () => this.#ended());
  }

  ask(request: Buffer): Promise<string> {
    if (this.isClosed) return Promise.resolve('');
    this.#received = '';
    return new Promise(resolve => {
      this.#resolve = resolve;
      this.#socket.write(request);
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#received)?.[1] ?? 0);
    if (this.#received.length >= end + 4 + length) this.#resolve(this.#received);
  }

  #ended(): void {
    this.isClosed = true;
    this.#resolve('');
  }
}

/** A backend that answers every request without content with its name, and does no more than that. */
export class NamedBackend implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  /** Requests that came. */
  requestCount = 0;

  private constructor(name: string) {
    const answer = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`);
    this.#server = net.createServer({ noDelay: true }, socket => {
      this.#sockets.add(socket);
      let rest = '';
      socket.setEncoding('latin1');
      socket.on('data', text => {
        const parts = (rest + String(text)).split('\r\n\r\n');
        rest = parts.pop()!;
        this.requestCount += parts.length;
        for (const _ of parts) socket.write(answer);
      });
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(name: string): Promise<NamedBackend> {
    const backend = new NamedBackend(name);
    await once(backend.#server.listen(0, '127.0.0.1'), 'listening');
    return backend;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }
}
