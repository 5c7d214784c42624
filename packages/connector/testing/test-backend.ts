import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { BackendConfiguration } from '@postern/protocol/tunnel/messages';

/** A backend on a loopback port that does with each connection what the test says. */
export class TestBackend implements AsyncDisposable {
  readonly sockets: Socket[] = [];
  readonly #server: Server;
  readonly #waiting: ((socket: Socket) => void)[] = [];

  private constructor(onConnection: (socket: Socket) => void) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      socket.on('error', () => {});
      this.sockets.push(socket);
      onConnection(socket);
      this.#waiting.shift()?.(socket);
    });
  }

  static async start(onConnection: (socket: Socket) => void = () => {}): Promise<TestBackend> {
    const backend = new TestBackend(onConnection);
    await once(backend.#server.listen(0, '127.0.0.1'), 'listening');
    return backend;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  configuration(applicationId: string, host = '127.0.0.1'): BackendConfiguration {
    return { applicationId, host, port: this.port, tls: false, validateCertificate: true };
  }

  /** The next connection that arrives. */
  next(): Promise<Socket> {
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }
}

/** Resolves with everything that a socket receives until its other side ends. */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => void chunks.push(bytes));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}
