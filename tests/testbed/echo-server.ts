import { once } from 'node:events';
import net from 'node:net';

/** A server on loopback that says what it hears; plain TCP. */
export interface EchoServer extends Disposable {
  readonly port: number;
}

export async function startEcho(): Promise<EchoServer> {
  const server = net.createServer(socket => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as net.AddressInfo;
  return { port, [Symbol.dispose]: () => void server.close() };
}
