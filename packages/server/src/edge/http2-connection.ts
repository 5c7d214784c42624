import type { TLSSocket } from 'node:tls';
import type { EdgeParts } from './edge-parts.ts';
import type { ClientContext } from './request.ts';

/** One HTTP/2 connection of a client. */
export class Http2Connection {
  readonly #socket: TLSSocket;

  constructor(
    socket: TLSSocket,
    _context: ClientContext,
    _parts: EdgeParts,
    onClose: (connection: Http2Connection) => void,
  ) {
    this.#socket = socket;
    socket.once('close', () => onClose(this));
    socket.destroy();
  }

  stop(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  checkDeadlines(_now: number): void {}
}
