import { once } from 'node:events';
import net from 'node:net';

/** What a proxy does with a CONNECT: bytes to answer with (and nothing more), or a connection to carry on with. */
export type ProxyReply =
  | { readonly say: string | Buffer; readonly thenClose?: boolean }
  | { readonly through: { readonly host: string; readonly port: number }; readonly say?: string };

/** A proxy written as bytes: hands each CONNECT's head to a function and does what that says. */
export class RawProxy {
  /** Heads of the requests, in order, each with its final blank line. */
  readonly heads: string[] = [];
  port = 0;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #empty = Promise.withResolvers<void>();
  readonly #reply: (head: string, index: number) => ProxyReply;

  private constructor(reply: (head: string, index: number) => ProxyReply) {
    this.#reply = reply;
    this.#server = net.createServer(socket => this.#serve(socket));
  }

  static async start(
    reply: (head: string, index: number) => ProxyReply,
    host = '127.0.0.1',
  ): Promise<RawProxy> {
    const proxy = new RawProxy(reply);
    await once(proxy.#server.listen(0, host), 'listening');
    proxy.port = (proxy.#server.address() as net.AddressInfo).port;
    return proxy;
  }

  /** Resolves when everybody who connected has gone. */
  get empty(): Promise<void> {
    return this.#empty.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: net.Socket): void {
    this.#keep(socket);
    let received = '';
    const onData = (bytes: Buffer) => {
      received += bytes.toString('latin1');
      if (!received.includes('\r\n\r\n')) return;
      socket.off('data', onData);
      socket.pause();
      this.heads.push(received);
      this.#answer(socket, this.#reply(received, this.heads.length - 1));
    };
    socket.on('data', onData);
  }

  #answer(socket: net.Socket, reply: ProxyReply): void {
    if (!('through' in reply)) {
      socket.write(reply.say);
      if (reply.thenClose) socket.end();
      socket.resume();
      return;
    }
    const backend = net.connect(reply.through);
    this.#keep(backend);
    backend.once('connect', () => {
      socket.write(reply.say ?? 'HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(backend);
      backend.pipe(socket);
    });
    backend.on('close', () => socket.destroy());
    socket.on('close', () => backend.destroy());
  }

  #keep(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#empty.resolve();
    });
  }
}
