import { once } from 'node:events';
import net from 'node:net';
import { upgradeAccepted } from './raw-websocket.ts';

/** What a backend saw of one connection. */
export class BackendConnectionLog {
  readonly socket: net.Socket;
  received = '';
  isClosed = false;
  readonly #waiters: { readonly test: () => boolean; readonly resolve: () => void }[] = [];

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('error', () => {});
    socket.on('data', (text: unknown) => {
      this.received += String(text);
      this.#check();
    });
    socket.on('close', () => {
      this.isClosed = true;
      this.#check();
    });
  }

  /** Resolves when the bytes so far hold a text, or all of them satisfy a test. */
  until(wanted: string | (() => boolean)): Promise<void> {
    const test = typeof wanted === 'string' ? () => this.received.includes(wanted) : wanted;
    if (test()) return Promise.resolve();
    return new Promise(resolve => this.#waiters.push({ test, resolve }));
  }

  closed(): Promise<void> {
    return this.until(() => this.isClosed);
  }

  send(bytes: string | Buffer): void {
    if (typeof bytes === 'string') this.socket.write(bytes, 'latin1');
    else this.socket.write(bytes);
  }

  #check(): void {
    for (const waiter of [...this.#waiters]) {
      if (!waiter.test()) continue;
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }
}

/**
 * Ends a backend's connection; resolves when the connector has ended its side, and so knows of the end. What it does not
 * take is thrown away, and where it does not end in a second the connection is cut.
 */
export async function endSocket(socket: net.Socket): Promise<void> {
  if (socket.closed) return;
  const closed = new Promise(resolve => socket.once('close', resolve));
  const timer = setTimeout(() => socket.destroy(), 1_000);
  if (socket.writableLength > 0) socket.destroy();
  else socket.end();
  await closed;
  clearTimeout(timer);
}

/** A backend made of bytes: it says what a test tells it to, and everything that reached it is counted. */
export class RawBackend implements AsyncDisposable {
  readonly connections: BackendConnectionLog[] = [];
  /** Called for each new connection; the default answers every request with 200 and its number. */
  onConnection: (connection: BackendConnectionLog) => void = answerEveryRequest;
  readonly #server: net.Server;

  private constructor(server: net.Server) {
    this.#server = server;
  }

  static async start(host = '127.0.0.1'): Promise<RawBackend> {
    const server = net.createServer();
    const backend = new RawBackend(server);
    server.on('connection', socket => {
      const connection = new BackendConnectionLog(socket);
      backend.connections.push(connection);
      backend.onConnection(connection);
    });
    server.listen(0, host);
    await once(server, 'listening');
    return backend;
  }

  get url(): string {
    const { address, family, port } = this.#server.address() as net.AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/`;
  }

  get authority(): string {
    return new URL(this.url).host;
  }

  /** Everything that reached the backend, on whatever connection. */
  get received(): string {
    return this.connections.map(connection => connection.received).join('');
  }

  /** Request lines that reached the backend. */
  get requestLines(): string[] {
    return this.connections.flatMap(one => one.received.match(/^[A-Z-]+ \S+ HTTP\/1\.[01]$/gm) ?? []);
  }

  /** Ends every connection and forgets what came, for the next test; no request of its is sent on one that has ended. */
  async reset(): Promise<void> {
    this.onConnection = answerEveryRequest;
    while (this.connections.length > 0) {
      await Promise.all(this.connections.splice(0).map(({ socket }) => endSocket(socket)));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.connections) connection.socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }
}

/**
 * Answers each complete request (by Content-Length or the last chunk) with 200 and a short body.
 *
 * @param isHeld Given what came on the connection so far: whether the request at its end stays without an answer.
 */
export function answerEveryRequest(
  connection: BackendConnectionLog,
  isHeld: (received: string) => boolean = () => false,
): void {
  let answered = 0;
  connection.socket.on('data', () => {
    for (const count = completeRequests(connection.received); answered < count; answered++) {
      if (isHeld(connection.received)) return;
      const body = `answer ${answered + 1}`;
      connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    }
  });
}

function completeRequests(text: string): number {
  let count = 0;
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return count;
    const head = rest.slice(0, end);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    let next = end + 4 + length;
    if (/^transfer-encoding: *chunked/im.test(head)) {
      const last = /(^|\r\n)0\r\n([^\r\n]+\r\n)*\r\n/.exec(rest.slice(end + 4));
      if (last === null) return count;
      next = end + 4 + last.index + last[0].length;
    }
    if (rest.length < next) return count;
    count += 1;
    rest = rest.slice(next);
  }
}

/** Upgrades who asks for it; begins a download without end for `/download`; answers everything else. */
export function downloadOrUpgrade(connection: BackendConnectionLog): void {
  connection.socket.once('data', () => {
    if (connection.received.startsWith('GET /download')) {
      return connection.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nthe first bytes');
    }
    if (/^upgrade:/im.test(connection.received)) return connection.send(`${upgradeAccepted}\x81\x05hello`);
    connection.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok');
    connection.socket.end();
  });
}
