import net from 'node:net';
import type { Logger } from 'pino';
import { Http1Error } from '../http1/error.ts';
import { fieldIds } from '../http1/fields.ts';
import { type HeadLimits, HeadReader, MessageHead } from '../http1/head.ts';
import { parseHost } from '../http1/target.ts';
import type { RouteTable } from '../routes/route-table.ts';

export interface PlainHttpOptions {
  readonly routes: () => RouteTable;
  readonly portSuffix: string;
  /** What is answered in the clear: a whole answer for a host and a path without its query; null: a redirection to HTTPS. */
  readonly answerInTheClear: (host: string, path: string) => PlainAnswer | null;
  readonly limits: HeadLimits;
  readonly headTimeoutMs: number;
  readonly maxConnections: number;
  readonly log: Logger;
}

/** An answer that says nothing that others on the way may not read or change. */
interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/**
 * Port 80: sends requests for a name of ours to HTTPS, but for the few answers that are made to be given in the clear,
 * and closes. Nothing is relayed.
 */
export class PlainHttpListener {
  readonly #options: PlainHttpOptions;
  readonly #servers: net.Server[] = [];
  readonly #sockets = new Set<net.Socket>();
  #onEmpty: (() => void) | null = null;

  constructor(options: PlainHttpOptions) {
    this.#options = options;
  }

  async listen(target: { host: string; port: number } | { fd: number }): Promise<void> {
    const server = net.createServer(socket => this.#accept(socket));
    server.maxConnections = this.#options.maxConnections;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen('fd' in target ? target : { ...target, ipv6Only: target.host === '::' }, () => {
        server.removeListener('error', reject);
        server.on('error', error => this.#options.log.error({ error: error.message }, 'plain HTTP listener'));
        resolve();
      });
    });
    this.#servers.push(server);
  }

  /** Takes no more connections; those that were taken have `limitMs` to be answered. */
  async drain(limitMs: number): Promise<void> {
    for (const server of this.#servers) server.close();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    const timer = setTimeout(resolve, limitMs);
    if (this.#sockets.size > 0) await promise;
    clearTimeout(timer);
    // In a process that was held up, the time is over before what came meanwhile has been read.
    await new Promise(read => setImmediate(read));
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: net.Socket): void {
    this.#sockets.add(socket);
    const reader = new HeadReader();
    const head = new MessageHead();
    let received: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => socket.destroy(), this.#options.headTimeoutMs);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#onEmpty?.();
    });
    const onData = (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      try {
        if (!reader.readRequest(received, 0, received.length, this.#options.limits, head)) return;
        socket.end(this.#answer(head));
      } catch (error) {
        if (!(error instanceof Http1Error)) throw error;
        socket.end(`HTTP/1.1 ${error.status} \r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      }
      // Drop what still comes, so that no reset overtakes the answer.
      socket.removeListener('data', onData);
      socket.resume();
    };
    socket.on('data', onData);
  }

  #answer(head: MessageHead): string | Buffer {
    const index = head.find(fieldIds.host);
    const { name } = parseHost(head.bytes, head.valueStart(index), head.valueEnd(index));
    const target = head.bytes.toString('latin1', head.targetStart, head.targetEnd);
    const path = target.startsWith('/') ? target : '/';
    const [withoutQuery = '/'] = path.split('?', 1);
    // Before the host is looked for: an ACME server asks at names at which nothing is published yet.
    const plain = this.#options.answerInTheClear(name, withoutQuery);
    if (plain !== null) return writeAnswer(plain, head.method);
    if (this.#options.routes().findHost(name) === undefined) {
      return 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    }
    const location = `https://${name}${this.#options.portSuffix}${path}`;
    return `HTTP/1.1 308 Permanent Redirect\r\nLocation: ${location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
  }
}

function writeAnswer({ status, headers, body }: PlainAnswer, method: string): string | Buffer {
  if (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS') {
    return 'HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD, OPTIONS\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
  }
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  // 204 has no length (RFC 9110 §8.6).
  const length = status === 204 ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`;
  const answer = `HTTP/1.1 ${status} \r\n${fields.join('')}${length}connection: close\r\n\r\n`;
  return method === 'GET' ? Buffer.concat([Buffer.from(answer), Buffer.from(body)]) : answer;
}
