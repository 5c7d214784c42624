import { once } from 'node:events';
import net from 'node:net';

/** Called with what one side sent; gives the pieces that go on to the other, each in a write of its own. */
export type Transform = (bytes: Buffer, connection: number) => readonly Buffer[];

/** A TCP forwarder whose link a test can cut, silence and bring back. */
export class Forwarder implements AsyncDisposable {
  /** Connections made so far. */
  connectionCount = 0;
  /** Bytes that have gone on, both ways together. */
  carriedBytes = 0;
  /** What the connecting side sends, changed on its way. */
  transform: Transform = bytes => [bytes];
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  /** Connections that came while the link was stalled. */
  readonly #held: (readonly [from: net.Socket, to: net.Socket, connection: number])[] = [];
  #state: 'open' | 'cut' | 'stalled' = 'open';

  private constructor(server: net.Server) {
    this.#server = server;
  }

  static async start(targetPort: number): Promise<Forwarder> {
    const server = net.createServer({ noDelay: true });
    const forwarder = new Forwarder(server);
    server.on('connection', socket => forwarder.#accept(socket, targetPort));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return forwarder;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Resets every connection, and each new one until {@link restore}. */
  cut(): void {
    this.#state = 'cut';
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Lets nothing pass any more without ending anything, new connections included, until {@link restore}. */
  stall(): void {
    this.#state = 'stalled';
    for (const socket of this.#sockets) socket.pause();
  }

  /** What was stalled goes on; new connections are taken. */
  restore(): void {
    this.#state = 'open';
    for (const [from, to, connection] of this.#held.splice(0)) this.#join(from, to, connection);
    for (const socket of this.#sockets) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #accept(from: net.Socket, targetPort: number): void {
    if (this.#state === 'cut') {
      from.resetAndDestroy();
      return;
    }
    const to = net.connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    const connection = this.connectionCount++;
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.once('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    from.pause();
    to.pause();
    if (this.#state === 'stalled') this.#held.push([from, to, connection]);
    else this.#join(from, to, connection);
  }

  #join(from: net.Socket, to: net.Socket, connection: number): void {
    from.on('data', bytes => {
      for (const piece of this.transform(bytes as Buffer, connection)) this.#pass(piece, from, to);
    });
    to.on('data', bytes => this.#pass(bytes as Buffer, to, from));
    from.on('end', () => to.end());
    to.on('end', () => from.end());
    from.resume();
    to.resume();
  }

  #pass(bytes: Buffer, from: net.Socket, to: net.Socket): void {
    this.carriedBytes += bytes.length;
    if (to.write(bytes)) return;
    from.pause();
    to.once('drain', () => {
      if (this.#state === 'open') from.resume();
    });
  }
}
