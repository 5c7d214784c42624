import { once } from 'node:events';
import net from 'node:net';
import { endSocket } from './raw-backend.ts';
import { flags, frame, frameTypes, preface, RawHttp2 } from './raw-http2.ts';

/** A backend of HTTP/2 in the clear that is made of frames: it says what a test tells it to. */
export class FrameBackend implements AsyncDisposable {
  readonly connections: RawHttp2[] = [];
  /** What each connection begins with. */
  settings: Buffer = Buffer.alloc(0);
  /** Called for each request, when its field list has come. */
  onRequest: (connection: RawHttp2, streamId: number) => void = () => {};
  readonly #server: net.Server;

  private constructor(server: net.Server) {
    this.#server = server;
  }

  static async start(): Promise<FrameBackend> {
    const server = net.createServer();
    const backend = new FrameBackend(server);
    server.on('connection', socket => backend.#accept(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return backend;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}/`;
  }

  /** Ends every connection and forgets it, for the next test; no request of its is sent on one that has ended. */
  async reset(): Promise<void> {
    this.settings = Buffer.alloc(0);
    this.onRequest = () => {};
    while (this.connections.length > 0)
      await Promise.all(this.connections.splice(0).map(({ socket }) => endSocket(socket)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.connections) socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #accept(socket: net.Socket): void {
    socket.on('error', () => {});
    const readPreface = () => {
      if (socket.read(preface.length) === null) return;
      socket.off('readable', readPreface);
      this.#serve(socket);
    };
    socket.on('readable', readPreface);
  }

  #serve(socket: net.Socket): void {
    const connection = new RawHttp2(socket, frame(frameTypes.settings, 0, 0, this.settings));
    this.connections.push(connection);
    let seen = 0;
    const look = () => {
      for (; seen < connection.frames.length; seen++) {
        const { type, streamId, flags: bits } = connection.frames[seen]!;
        if (type === frameTypes.headers && (bits & flags.endHeaders) !== 0)
          this.onRequest(connection, streamId);
      }
    };
    socket.on('data', look);
    socket.resume();
  }
}
