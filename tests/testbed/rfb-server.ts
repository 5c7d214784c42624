import { EventEmitter, once } from 'node:events';
import net from 'node:net';

const width = 64;
const height = 48;

/**
 * A desktop for VNC clients (RFC 6143) that is one colour: it offers no authentication, sends its picture when it is
 * asked for, and notes every key that is pressed.
 */
export class RfbServer extends EventEmitter<{ ready: []; key: [keysym: number]; closed: [] }> {
  readonly port: number;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(server: net.Server) {
    super();
    this.#server = server;
    this.port = (server.address() as net.AddressInfo).port;
    server.on('connection', socket => {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.emit('closed');
      });
      void this.#serve(socket).catch(() => socket.destroy());
    });
  }

  static async start(): Promise<RfbServer> {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new RfbServer(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }

  async #serve(socket: net.Socket): Promise<void> {
    const read = exactly(socket);
    socket.write('RFB 003.008\n');
    if ((await read(12)).toString() !== 'RFB 003.008\n') throw new Error('no client of version 3.8');
    // One security type, “none” (§7.2.1); whoever chooses it is in.
    socket.write(Buffer.of(1, 1));
    await read(1);
    socket.write(Buffer.of(0, 0, 0, 0));
    await read(1);
    socket.write(serverInit('One colour'));
    this.emit('ready');
    for (;;) await this.#receive(socket, read);
  }

  /** One message of the client (§7.5). */
  async #receive(socket: net.Socket, read: ReadExactly): Promise<void> {
    const [type] = await read(1);
    switch (type) {
      case 0: // SetPixelFormat
        await read(19);
        return;
      case 2: // SetEncodings
        await read(4 * (await read(3)).readUInt16BE(1));
        return;
      case 3: {
        const [isIncremental] = await read(9);
        if (isIncremental === 0) socket.write(picture());
        return;
      }
      case 4: {
        const key = await read(7);
        if (key[0] === 1) this.emit('key', key.readUInt32BE(3));
        return;
      }
      case 5: // PointerEvent
        await read(5);
        return;
      default:
        throw new Error(`message ${type} was not expected`);
    }
  }
}

type ReadExactly = (length: number) => Promise<Buffer>;

function exactly(socket: net.Socket): ReadExactly {
  let wake = () => {};
  for (const event of ['readable', 'end', 'close']) socket.on(event, () => wake());
  return async length => {
    for (;;) {
      const bytes: Buffer | null = length === 0 ? Buffer.alloc(0) : socket.read(length);
      if (bytes !== null) return bytes;
      if (socket.readableEnded || socket.destroyed) throw new Error('the client has gone');
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    }
  };
}

/** Size, pixel format (32 bits, true colour) and name (§7.3.2). */
function serverInit(name: string): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt16BE(width, 0);
  head.writeUInt16BE(height, 2);
  head.set([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16], 4);
  head.writeUInt32BE(name.length, 20);
  return Buffer.concat([head, Buffer.from(name)]);
}

/** A FramebufferUpdate of one raw rectangle (§7.6.1). */
function picture(): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt16BE(1, 2);
  head.writeUInt16BE(width, 8);
  head.writeUInt16BE(height, 10);
  return Buffer.concat([head, Buffer.alloc(width * height * 4, Buffer.of(0x0f, 0x6b, 0x5c, 0))]);
}
