import { constants } from 'node:crypto';
import net from 'node:net';
import tls from 'node:tls';
import type { Logger } from 'pino';
import { plainAddress } from '../tunnels/accept.ts';
import { addressKey } from './address-key.ts';
import type { Certificates } from './certificates.ts';
import { type ChallengeListener, challengeProtocol } from './challenge-listener.ts';
import { certificateFactsOf, notAsked } from './client-certificate.ts';
import { ClientConnection, newcomerMs } from './client-connection.ts';
import { maxClientHelloBytes, readClientHello } from './client-hello.ts';
import type { EdgeParts } from './edge-parts.ts';
import { Http2Connection } from './http2-connection.ts';
import { PinnedConnections } from './pinned-connections.ts';
import type { ClientContext } from './request.ts';

export interface EdgeListenerOptions {
  readonly parts: EdgeParts;
  readonly certificates: Certificates;
  /** Whether programs may present a certificate to an application of this host. */
  readonly takesCertificates: (host: string) => boolean;
  /** `connect.<domain>`: with one of the tunnel listener's protocols offered, a connection for it goes to `acceptTunnel`. */
  readonly connectHost: string;
  readonly tunnelProtocols: readonly string[];
  /**
   * Takes a connection whose ClientHello has been put back; the tunnel listener's business from here on, which says when
   * the handshake is over.
   */
  readonly acceptTunnel: (socket: net.Socket, onHandshake: () => void) => void;
  /** Takes the connections of ACME servers, for hosts that have a challenge. */
  readonly challenges: ChallengeListener;
  readonly maxConnections: number;
  readonly log: Logger;
}

const helloTimeoutMs = 5_000;
const handshakeTimeoutMs = 10_000;
/** NATs and firewalls keep idle connections for five minutes and longer. */
const tcpKeepAliveMs = 60_000;
/** Unfinished handshakes of one address, of IPv6 one /64; an office behind one address stays far below (threat G7). */
const maxHandshakesPerAddress = 500;

/**
 * What all connections together may hold of requests that cannot go on yet. HTTP/2 lets one connection fill a hundred
 * windows, and a slow link to a backend is enough to keep them full.
 */
const maxUnreadBytes = 256 * 1024 * 1024;

type HttpConnection = ClientConnection | Http2Connection;

/** A connection that TLS has not agreed on yet. */
interface Unfinished {
  readonly serverName: string | null;
  readonly onHandshake: () => void;
}

/**
 * The public port. Reads each ClientHello without answering, and hands the connection to the tunnel listener or to the
 * edge's TLS by what it asks for; then to HTTP/1.1 or HTTP/2 by what TLS agreed on.
 */
export class EdgeListener {
  readonly #options: EdgeListenerOptions;
  readonly #tls: tls.Server;
  /** For hosts that take certificates of clients: nobody else is asked for one. */
  readonly #asking: tls.Server;
  readonly #servers: net.Server[] = [];
  readonly #connections = new Set<HttpConnection>();
  readonly #sockets = new Set<net.Socket>();
  readonly #handshakes = new Map<string, number>();
  /** Connections without an agreement. */
  readonly #newcomers = new Set<{ readonly acceptedAt: number }>();
  /** By the client's address and port. */
  readonly #unfinished = new Map<string, Unfinished>();
  readonly #sweep: NodeJS.Timeout;
  #isStopping = false;
  /** Since start: over the limit, or too many unfinished handshakes of one address. */
  refusedConnections = 0;

  constructor(options: EdgeListenerOptions) {
    this.#options = options;
    this.#tls = this.#newServer({}, socket => this.#serve(socket, false));
    this.#asking = this.#newServer(
      {
        requestCert: true,
        // Optional, and known by itself: who presents none, or one that nobody has named, is who they are without.
        rejectUnauthorized: false,
        // A resumed session would carry the certificate without the private key.
        secureOptions: constants.SSL_OP_NO_TICKET,
      },
      socket => this.#serve(socket, true),
    );
    this.#sweep = setInterval(() => this.#checkDeadlines(), 1_000);
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Whether an answer still waits for a slow client. */
  get hasUnsentBytes(): boolean {
    for (const connection of this.#connections) if (connection.hasUnsentBytes) return true;
    return false;
  }

  /** Whether somebody whose connection was accepted has had no time to ask for anything. */
  get hasNewcomers(): boolean {
    for (const connection of this.#connections) if (connection.isNew) return true;
    const since = this.#options.parts.now() - newcomerMs;
    for (const { acceptedAt } of this.#newcomers) if (acceptedAt > since) return true;
    return false;
  }

  /** Listens on an address or on a socket that was passed in; resolves when connections are accepted. */
  async listen(target: { host: string; port: number } | { fd: number }): Promise<void> {
    // A client that has sent its request may close its side while ours still answers; TLS decides what that means.
    const server = net.createServer(
      {
        ...{ allowHalfOpen: true, noDelay: true },
        // For clients that went away without a word, and for what forgets a connection that is silent for some minutes.
        ...{ keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs },
      },
      socket => this.#accept(socket),
    );
    server.maxConnections = this.#options.maxConnections;
    server.on('drop', () => {
      this.refusedConnections += 1;
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const options = 'fd' in target ? target : { ...target, ipv6Only: target.host === '::' };
      server.listen({ ...options, backlog: 4_096 }, () => {
        server.removeListener('error', reject);
        server.on('error', error => this.#options.log.error({ error: error.message }, 'listener'));
        resolve();
      });
    });
    this.#servers.push(server);
  }

  /** Accepts no more connections and lets those that are open end with the request that they carry, or that is to come. */
  stopAccepting(): void {
    this.#isStopping = true;
    for (const server of this.#servers) server.close();
    for (const connection of [...this.#connections]) connection.stop();
  }

  /** Ends everything at once. */
  destroy(): void {
    clearInterval(this.#sweep);
    for (const server of this.#servers) server.close();
    for (const connection of [...this.#connections]) connection.destroy();
    for (const socket of [...this.#sockets]) socket.destroy();
  }

  #accept(socket: net.Socket): void {
    const address = addressKey(socket.remoteAddress ?? '');
    const running = this.#handshakes.get(address) ?? 0;
    if (running >= maxHandshakesPerAddress) {
      this.refusedConnections += 1;
      socket.destroy();
      return;
    }
    this.#handshakes.set(address, running + 1);
    this.#sockets.add(socket);
    const key = keyOf(socket);
    const newcomer = { acceptedAt: this.#options.parts.now() };
    this.#newcomers.add(newcomer);
    let isOver = false;
    const onHandshake = () => {
      if (isOver) return;
      isOver = true;
      this.#unfinished.delete(key);
      this.#newcomers.delete(newcomer);
      this.#countDown(address);
    };
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#sockets.delete(socket);
      onHandshake();
    });
    this.#peek(socket, key, onHandshake);
  }

  #peek(socket: net.Socket, key: string, onHandshake: () => void): void {
    let received: Buffer | null = null;
    const timer = setTimeout(() => socket.destroy(), helloTimeoutMs);
    const onEnd = () => socket.destroy();
    const onData = (bytes: Buffer) => {
      received = received === null ? bytes : Buffer.concat([received, bytes]);
      const hello = readClientHello(received);
      if (hello === 'incomplete' && received.length <= maxClientHelloBytes) return;
      clearTimeout(timer);
      socket.removeListener('data', onData);
      socket.removeListener('end', onEnd);
      if (typeof hello === 'string') {
        socket.destroy();
        return;
      }
      socket.pause();
      socket.unshift(received);
      const { connectHost, tunnelProtocols, acceptTunnel } = this.#options;
      if (hello.serverName === connectHost && hello.protocols.some(one => tunnelProtocols.includes(one))) {
        this.#sockets.delete(socket);
        socket.once('close', () => clearTimeout(timer));
        acceptTunnel(socket, onHandshake);
        return;
      }
      const { challenges } = this.#options;
      if (hello.protocols.includes(challengeProtocol) && challenges.has(hello.serverName)) {
        challenges.accept(socket, onHandshake);
        return;
      }
      const { serverName } = hello;
      this.#unfinished.set(key, { serverName, onHandshake });
      const { parts, takesCertificates } = this.#options;
      const isAsked =
        serverName !== null &&
        takesCertificates(serverName) &&
        !parts.isTrustedProxy(plainAddress(socket.remoteAddress ?? ''));
      (isAsked ? this.#asking : this.#tls).emit('connection', socket);
    };
    socket.on('data', onData);
    socket.once('end', onEnd);
    socket.once('close', () => clearTimeout(timer));
  }

  #countDown(address: string): void {
    const running = this.#handshakes.get(address) ?? 0;
    if (running <= 1) this.#handshakes.delete(address);
    else this.#handshakes.set(address, running - 1);
  }

  #newServer(more: tls.TlsOptions, serve: (socket: tls.TLSSocket) => void): tls.Server {
    const server = tls.createServer({
      ALPNProtocols: ['h2', 'http/1.1'],
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeTimeoutMs,
      // There is no certificate beside these: a client that names no host cannot be served (threat G6).
      SNICallback: (name, done) => {
        done(null, this.#options.certificates.find(name.toLowerCase())?.context ?? undefined);
      },
      ...more,
    });
    server.on('secureConnection', serve);
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    return server;
  }

  #serve(socket: tls.TLSSocket, isAsked: boolean): void {
    const address = socket.remoteAddress ?? '';
    const unfinished = this.#unfinished.get(keyOf(socket));
    unfinished?.onHandshake();
    const serverName = normalName(socket as { servername?: string | false });
    // Whoever reads another name out of the same bytes than we did must not be trusted with either.
    if (unfinished === undefined || unfinished.serverName !== serverName) {
      socket.destroy();
      return;
    }
    const { parts, certificates } = this.#options;
    const certificate = serverName === null ? undefined : certificates.find(serverName);
    const isBehindTrustedProxy = parts.isTrustedProxy(plainAddress(address));
    const context: ClientContext = {
      address: plainAddress(address),
      client: parts.protection.clientAt(plainAddress(address)),
      isBehindTrustedProxy,
      pins: socket.alpnProtocol === 'h2' ? null : new PinnedConnections(),
      covers: host => certificate?.covers(host) ?? false,
      certified: isBehindTrustedProxy ? null : isAsked ? certificateFactsOf(socket, serverName!) : notAsked,
      lastHost: null,
      lastForwarded: null,
      lastCookie: null,
      lastPresented: null,
      lastFields: null,
      lastTranslation: null,
    };
    // With another handshake on the same connection it could be somebody else's.
    if (isAsked) socket.disableRenegotiation();
    socket.setNoDelay(true);
    const onClose = (connection: HttpConnection) => void this.#connections.delete(connection);
    const connection =
      socket.alpnProtocol === 'h2'
        ? new Http2Connection(socket, context, parts, onClose)
        : new ClientConnection(socket, context, parts, onClose);
    this.#connections.add(connection);
    if (this.#isStopping) connection.stop();
  }

  #checkDeadlines(): void {
    const now = this.#options.parts.now();
    for (const connection of this.#connections) connection.checkDeadlines(now);
    this.#shedUnread();
    for (const exchange of this.#options.parts.exchange.open) exchange.checkDeadline(now);
  }

  /** Ends those who hold most, until what is left is bearable. */
  #shedUnread(): void {
    const holders = [...this.#connections]
      .map(connection => ({ connection, unread: connection.unreadBytes }))
      .filter(({ unread }) => unread > 0)
      .sort((one, other) => other.unread - one.unread);
    let total = holders.reduce((sum, { unread }) => sum + unread, 0);
    for (const { connection, unread } of holders) {
      if (total <= maxUnreadBytes) return;
      total -= unread;
      connection.destroy();
      this.#options.log.warn({ unread }, 'connection ended: too many requests wait for slow backends');
    }
  }
}

function keyOf(socket: net.Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

/** What TLS itself read; the types of Node leave the property out on the server's side. */
function normalName({ servername }: { servername?: string | false }): string | null {
  if (!servername) return null;
  const lower = servername.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
