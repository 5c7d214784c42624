import { constants, randomUUID } from 'node:crypto';
import type net from 'node:net';
import tls from 'node:tls';
import { encodeControlMessage } from '@postern/protocol/tunnel/control-framing';
import {
  echoProtocol,
  type RefusalReason,
  type ServiceMessage,
  tunnelProtocol,
} from '@postern/protocol/tunnel/messages';
import type { WindowBudget } from '@postern/protocol/yamux/window-budget';
import type { Logger } from 'pino';
import type { ConnectorRecord, TunnelRefusal, TunnelTrust } from '../feed/messages.ts';
import { echoAnswer } from './echo.ts';
import { Tunnel, type TunnelHooks } from './tunnel.ts';
import { judge, type PresentedCertificate } from './verdict.ts';

export interface TunnelListenerOptions {
  readonly nodeId: string;
  /** `connect.<domain>`, which the edge has read in the ClientHello; TLS has to have read the same. */
  readonly connectHost: string;
  readonly findConnector: (sha256: string) => ConnectorRecord | undefined;
  /** False: the service cannot check certificates right now, so it accepts none. */
  readonly isAccepting: () => boolean;
  readonly windowBudget: WindowBudget;
  readonly hooks: TunnelHooks & {
    onAccept(tunnel: Tunnel, connector: ConnectorRecord): void;
    /** A certificate that is on record was not accepted; its key was proved. */
    onRefused(refusal: TunnelRefusal): void;
  };
  readonly maxTunnelsPerConnector: number;
  readonly tunnelsOf: (connectorId: string) => number;
  /** How long streams in flight may go on when the certificate of their tunnel has expired. */
  readonly drainMs: number;
  readonly log: Logger;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** What a client may ask the tunnel listener for. */
export const tunnelProtocols: readonly string[] = [tunnelProtocol, echoProtocol];

const notReady = { accepted: false, reason: 'busy', detail: 'the service is not ready' } as const;
const handshakeTimeoutMs = 10_000;
const refusalLingerMs = 1_000;

/**
 * The tunnel listener: TLS that asks for a client certificate, one verdict before the first byte is read, and a refusal
 * that says why. Without trust material it refuses everybody (threat G5).
 */
export class TunnelListener {
  readonly #options: TunnelListenerOptions;
  /** By the connector's address and port. */
  readonly #unfinished = new Map<string, () => void>();
  #server: tls.Server | null = null;
  #trust: TunnelTrust | null = null;

  constructor(options: TunnelListenerOptions) {
    this.#options = options;
  }

  /** Uses other certificates from now on; tunnels that are up stay. */
  setTrust(trust: TunnelTrust): void {
    const before = this.#trust;
    this.#trust = trust;
    if (before !== null && isSameMaterial(before, trust)) return;
    const server = tls.createServer({
      cert: trust.certificate,
      key: trust.privateKey,
      ca: [...trust.clientAuthorities],
      requestCert: true,
      // The verdict is ours: a refused connector is told the reason, which a failed handshake could not.
      rejectUnauthorized: false,
      ALPNProtocols: [...tunnelProtocols],
      minVersion: 'TLSv1.2',
      handshakeTimeout: handshakeTimeoutMs,
      // A resumed session would read as authorised without the private key.
      secureOptions: constants.SSL_OP_NO_TICKET,
    });
    server.on('secureConnection', socket => this.#judge(socket));
    server.on('tlsClientError', (error, socket) => {
      this.#options.log.debug({ error: error.message }, 'tunnel handshake failed');
      socket.destroy();
    });
    this.#server = server;
  }

  /** @param onHandshake Called when TLS has agreed on the connection. */
  accept(socket: net.Socket, onHandshake: () => void): void {
    if (this.#server === null) {
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    this.#unfinished.set(key, onHandshake);
    socket.once('close', () => this.#unfinished.delete(key));
    this.#server.emit('connection', socket);
  }

  #judge(socket: tls.TLSSocket): void {
    socket.on('error', () => socket.destroy());
    const key = keyOf(socket);
    this.#unfinished.get(key)?.();
    this.#unfinished.delete(key);
    const isForUs = isName(socket as { servername?: string | false }, this.#options.connectHost);
    if (!isForUs || !tunnelProtocols.includes(socket.alpnProtocol || '')) {
      socket.destroy();
      return;
    }
    if (socket.alpnProtocol === echoProtocol) return this.#echo(socket);
    if (!this.#options.isAccepting()) return this.#refuse(socket, notReady.reason, notReady.detail);
    const presented = presentedBy(socket);
    const verdict = judge(presented, this.#options.findConnector, Date.now());
    if (!verdict.accepted) {
      this.#reportRefusal(socket, presented, verdict);
      return this.#refuse(socket, verdict.reason, verdict.detail);
    }
    const { connector, sha256 } = verdict;
    if (this.#options.tunnelsOf(connector.id) >= this.#options.maxTunnelsPerConnector) {
      return this.#refuse(socket, 'busy', 'this connector has as many tunnels as it may');
    }
    const tunnel = new Tunnel({
      id: randomUUID(),
      connectorId: connector.id,
      certificateSha256: sha256,
      certificateNotAfter: presented.certificate!.validToDate.getTime(),
      drainMs: this.#options.drainMs,
      nodeId: this.#options.nodeId,
      socket,
      externalIp: plainAddress(socket.remoteAddress ?? ''),
      windowBudget: this.#options.windowBudget,
      hooks: this.#options.hooks,
      now: this.#options.now,
      clock: Date.now,
    });
    this.#options.hooks.onAccept(tunnel, connector);
  }

  /** Names the connector whose certificate was refused, where there is one: its administrators look for the reason there. */
  #reportRefusal(
    socket: tls.TLSSocket,
    { certificate, isResumed }: PresentedCertificate,
    { reason, detail }: { readonly reason: RefusalReason; readonly detail: string },
  ): void {
    if (certificate === undefined || isResumed) return;
    const connector = this.#options.findConnector(certificate.fingerprint256.replaceAll(':', ''));
    if (connector === undefined) return;
    const externalIp = plainAddress(socket.remoteAddress ?? '');
    this.#options.hooks.onRefused({ connectorId: connector.id, reason, detail, externalIp });
  }

  /** Says what was seen of the connection, and reads nothing. */
  #echo(socket: tls.TLSSocket): void {
    const { findConnector, isAccepting } = this.#options;
    const presented = presentedBy(socket);
    const now = Date.now();
    const verdict = isAccepting() ? judge(presented, findConnector, now) : notReady;
    const answer = echoAnswer(presented.certificate, socket.getProtocol(), verdict, now);
    sayLast(socket, `${JSON.stringify(answer)}\n`);
  }

  /** Says why on the control stream, which the connector opens first, and reads nothing. */
  #refuse(socket: tls.TLSSocket, reason: RefusalReason, detail: string): void {
    this.#options.log.warn(
      { reason, detail, address: plainAddress(socket.remoteAddress ?? '') },
      'tunnel refused',
    );
    const message: ServiceMessage = { type: 'refused', reason, detail, time: Date.now() };
    sayLast(socket, refusalFrame(encodeControlMessage(message)));
  }
}

/** Ends a connection with these bytes; what still comes is dropped, so that no reset overtakes them. */
function sayLast(socket: tls.TLSSocket, bytes: Buffer | string): void {
  socket.end(bytes);
  socket.resume();
  const linger = setTimeout(() => socket.destroy(), refusalLingerMs);
  socket.once('close', () => clearTimeout(linger));
}

function presentedBy(socket: tls.TLSSocket): PresentedCertificate {
  return {
    certificate: socket.getPeerX509Certificate(),
    // Node types an error where OpenSSL's short name comes.
    chainError: socket.authorized ? '' : String(socket.authorizationError ?? 'unknown'),
    isResumed: socket.isSessionReused(),
  };
}

function isSameMaterial(one: TunnelTrust, other: TunnelTrust): boolean {
  return (
    one.certificate === other.certificate && one.clientAuthorities.join() === other.clientAuthorities.join()
  );
}

/** One yamux data frame with ACK and FIN on stream 1, the connector's first. */
function refusalFrame(message: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(0x0006, 2);
  header.writeUInt32BE(1, 4);
  header.writeUInt32BE(message.length, 8);
  return Buffer.concat([header, message]);
}

function keyOf(socket: net.Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

/** Whether TLS itself read this name; the types of Node leave the property out on the server's side. */
function isName({ servername }: { servername?: string | false }, name: string): boolean {
  const read = (servername || '').toLowerCase();
  return read === name || read === `${name}.`;
}

/** The address of the other side: an IPv4 one comes as `::ffff:192.0.2.1` on a dual-stack listener. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
