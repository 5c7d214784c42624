import type { TLSSocket } from 'node:tls';

/** What a client got on one connection, as bytes in latin1, with ways to wait for it. */
export class RawClient {
  readonly socket: TLSSocket;
  received = '';
  isClosed = false;
  readonly #waiters = new Set<() => void>();

  constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.received += bytes.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('end', () => this.#ended());
    socket.on('close', () => this.#ended());
  }

  send(bytes: string | Buffer): void {
    if (typeof bytes === 'string') this.socket.write(bytes, 'latin1');
    else this.socket.write(bytes);
  }

  /**
   * Resolves with all that came so far once a text is in it, behind offset `from`.
   *
   * @throws Error if the connection ends before.
   */
  async until(wanted: string, from = 0): Promise<string> {
    await this.#wait(() => this.received.indexOf(wanted, from) >= 0 || this.isClosed);
    if (this.received.indexOf(wanted, from) >= 0) return this.received;
    throw new Error(`closed before "${wanted}": ${this.received.slice(from, from + 2_000)}`);
  }

  /** Resolves with all that came when the service has ended the connection. */
  async closed(): Promise<string> {
    await this.#wait(() => this.isClosed);
    return this.received;
  }

  /** Sends a request and gives its answer, body by Content-Length; the connection stays open. */
  async ask(request: string): Promise<string> {
    const from = this.received.length;
    this.send(request);
    await this.until('\r\n\r\n', from);
    const headEnd = this.received.indexOf('\r\n\r\n', from) + 4;
    const length = Number(/^content-length: *(\d+)/im.exec(this.received.slice(from, headEnd))?.[1] ?? 0);
    await this.#wait(() => this.received.length >= headEnd + length || this.isClosed);
    return this.received.slice(from, headEnd + length);
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

  #ended(): void {
    this.isClosed = true;
    this.#wake();
  }
}
