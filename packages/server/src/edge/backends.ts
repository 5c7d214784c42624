import net from 'node:net';
import { encodePreamble, type Preamble } from '@postern/protocol/tunnel/preamble';
import { YamuxError } from '@postern/protocol/yamux/errors';
import type { HeadLimits } from '../http1/head.ts';
import type { BackendAddress, RouteBackends } from '../routes/route-backends.ts';
import type { BackendFailure } from '../tunnels/backend-health.ts';
import type { StreamPurpose, TunnelRegistry } from '../tunnels/registry.ts';
import type { Tunnel } from '../tunnels/tunnel.ts';
import { BackendConnection, type BackendPlace } from './backend-connection.ts';
import type { BackendRequest } from './backend-request.ts';
import { BackendSession, type BackendSessionPlace } from './backend-session.ts';
import { BackendSessions } from './backend-sessions.ts';
import type { BackendStream } from './backend-stream.ts';
import type { BackendCarrier, Connector, Exchange } from './exchange.ts';
import { EdgeError } from './failure.ts';

export interface BackendsOptions {
  readonly registry: TunnelRegistry;
  readonly controlSocket: string;
  readonly limits: HeadLimits;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** A request that may not be sent again takes a connection that was in use this recently, or a new one. */
const freshMs = 1_000;
const sweepMs = 500;
const controlKey = 'control';
/** While the control process starts again, requests for it wait this long. */
const controlWaitMs = 10_000;
const controlRetryMs = 100;
/** A connector that is gone has lost all its tunnels by then, and nothing is sent into another of them. */
const lostTunnelPauseMs = 100;

/** Idle connections of one tunnel, by pool; the last one used is taken first. */
type IdleConnections = Map<string, BackendConnection[]>;

/** Connections to backends, through tunnels and to the control process: reused while they may be, opened where not. */
export class Backends implements Connector, BackendPlace, BackendSessionPlace {
  readonly #options: BackendsOptions;
  readonly #idle = new Map<Tunnel, IdleConnections>();
  readonly #idleControl: BackendConnection[] = [];
  readonly #sessions = new BackendSessions();
  readonly #sweep: NodeJS.Timeout;

  constructor(options: BackendsOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.#closeOld(), sweepMs);
  }

  connect(exchange: Exchange, failedOn: ReadonlySet<Tunnel> | null): void {
    if (exchange.route.backend === 'control')
      this.#connectControl(exchange, this.#options.now() + controlWaitMs);
    else this.#connectTunnel(exchange, failedOn);
  }

  release(connection: BackendConnection): void {
    if (connection.isPinned) return;
    if (connection.tunnel === null) {
      this.#idleControl.push(connection);
      return;
    }
    const { tunnel } = connection;
    if (!tunnel.isOpen || !tunnel.serves(connection.backendId, connection.backendKey)) {
      connection.destroy();
      return;
    }
    let ofTunnel = this.#idle.get(connection.tunnel);
    if (ofTunnel === undefined) {
      ofTunnel = new Map();
      this.#idle.set(connection.tunnel, ofTunnel);
    }
    const ofPool = ofTunnel.get(connection.pool);
    if (ofPool) ofPool.push(connection);
    else ofTunnel.set(connection.pool, [connection]);
  }

  forget(connection: BackendConnection): void {
    connection.tunnel?.forgetStream(connection.streamId);
    const list =
      connection.tunnel === null
        ? this.#idleControl
        : this.#idle.get(connection.tunnel)?.get(connection.pool);
    const at = list?.indexOf(connection) ?? -1;
    if (at >= 0) list!.splice(at, 1);
  }

  forgetSession(session: BackendSession): void {
    session.tunnel.forgetStream(session.streamId);
    this.#sessions.remove(session);
  }

  opened(
    { tunnel, pool }: Pick<BackendConnection, 'tunnel' | 'pool'>,
    wasReached: boolean,
    failure?: EdgeError,
  ): void {
    if (tunnel === null) return;
    const { health } = this.#options.registry;
    if (wasReached) health.reached(tunnel.connectorId, pool);
    else health.failed(tunnel.connectorId, pool, failure === undefined ? null : factsOf(failure));
  }

  /**
   * A connection for a probe, to one backend through one tunnel; of HTTP/1.1 a new one.
   *
   * @returns null where the tunnel takes no streams any more.
   */
  connectThrough(tunnel: Tunnel, exchange: Exchange, to: BackendAddress): BackendCarrier | null {
    if (exchange.route.speaksHttp2) return this.#beginRequest(tunnel, exchange, to);
    return this.#openStream(tunnel, exchange, to);
  }

  /** The tunnel takes no new streams: what idles on it would only hold up its end. */
  closeIdle(tunnel: Tunnel): void {
    for (const list of this.#idle.get(tunnel)?.values() ?? []) {
      for (const connection of [...list]) connection.destroy();
    }
    this.#sessions.retireThose(tunnel);
  }

  /** What may be dialled has changed: connections that no exchange may use any more would only keep old backends busy. */
  closeUnserved(): void {
    this.#sessions.retireUnserved();
    for (const [tunnel, pools] of this.#idle) {
      for (const [pool, list] of pools) {
        for (const connection of [...list]) {
          if (!tunnel.serves(connection.backendId, connection.backendKey)) connection.destroy();
        }
        if (list.length === 0) pools.delete(pool);
      }
    }
  }

  /** The tunnel is gone, and its connections with it. */
  forgetTunnel(tunnel: Tunnel): void {
    this.#idle.delete(tunnel);
    this.#sessions.forgetTunnel(tunnel);
  }

  stop(): void {
    clearInterval(this.#sweep);
    this.#sessions.stop();
    for (const list of this.#lists()) for (const connection of [...list]) connection.destroy();
  }

  #connectTunnel(exchange: Exchange, failedOn: ReadonlySet<Tunnel> | null): void {
    const { route } = exchange;
    const to = route.backends === null ? route : this.#chooseBackend(exchange, route.backends, failedOn);
    const { registry } = this.#options;
    const tunnel = registry.choose(purposeOf(exchange, to, failedOn));
    if (tunnel === null && failedOn !== null) {
      // Everybody of the group has failed: the last failure is the answer, so a second try is worth one more round.
      const tryAll = () => {
        if (!exchange.isEnded) this.#connectTunnel(exchange, null);
      };
      if (exchange.hasLostTunnel) setTimeout(tryAll, lostTunnelPauseMs);
      else tryAll();
      return;
    }
    if (tunnel === null) {
      void this.#waitForTunnel(exchange);
      return;
    }
    const connection = route.speaksHttp2
      ? this.#beginRequest(tunnel, exchange, to)
      : (this.#takeIdle(tunnel, exchange, to) ?? this.#openStream(tunnel, exchange, to));
    if (connection !== null) exchange.useConnection(connection);
    else void this.#waitForTunnel(exchange);
  }

  #chooseBackend(
    exchange: Exchange,
    backends: RouteBackends,
    failedOn: ReadonlySet<Tunnel> | null,
  ): BackendAddress {
    const { registry } = this.#options;
    const backend = backends.choose(
      one => registry.reachOf(purposeOf(exchange, one, failedOn)),
      exchange.failedBackends,
      exchange.attempts <= 2,
      exchange.client,
    );
    exchange.useBackend(backend);
    // Nobody serves any of them now: whoever comes to serve the first serves them all.
    return backend ?? exchange.route;
  }

  async #waitForTunnel(exchange: Exchange): Promise<void> {
    const { application, backendId, backendKey } = exchange.route;
    exchange.waiting = new AbortController();
    const { signal } = exchange.waiting;
    const { connectorGroupId } = application;
    const outcome = await this.#options.registry.wait(connectorGroupId, backendId, backendKey, signal);
    if (exchange.isEnded || outcome === 'aborted') return;
    if (outcome === 'try') this.#connectTunnel(exchange, null);
    else exchange.onNoConnection(new EdgeError(outcome === 'full' ? 'too_many_waiting' : 'no_connector'));
  }

  #takeIdle(tunnel: Tunnel, exchange: Exchange, to: BackendAddress): BackendConnection | null {
    const list = this.#idle.get(tunnel)?.get(to.pool);
    if (list === undefined || list.length === 0 || exchange.wantsNewConnection) return null;
    const connection = list[list.length - 1]!;
    const idleMs = this.#options.now() - connection.idleSince;
    const isUsable =
      idleMs < (exchange.maySendAgain ? connection.idleLimitMs : Math.min(freshMs, connection.idleLimitMs));
    if (!isUsable || connection.backendKey !== to.backendKey) return null;
    list.pop();
    return connection;
  }

  #openStream(
    tunnel: Tunnel,
    { requestId }: Pick<Exchange, 'requestId'>,
    to: BackendAddress,
  ): BackendConnection | null {
    let connection: BackendConnection | null = null;
    try {
      const stream = tunnel.openStream(report => connection?.report(report));
      connection = new BackendConnection({
        stream,
        streamId: stream.id,
        tunnel,
        backendId: to.backendId,
        backendKey: to.backendKey,
        pool: to.pool,
        place: this,
        limits: this.#options.limits,
      });
      stream.write(encodePreamble(preambleOf(to, requestId)));
      return connection;
    } catch {
      // The tunnel began to go away between the choice and now.
      return null;
    }
  }

  #beginRequest(tunnel: Tunnel, exchange: Exchange, to: BackendAddress): BackendRequest | null {
    // Though the request may have lost a session: one that is over is not found, and a new one for each that lost it is too many.
    const known = exchange.timing?.wantsNewConnection ? null : this.#sessions.find(tunnel, to);
    return (known ?? this.#openSession(tunnel, exchange, to))?.begin(exchange.requestId) ?? null;
  }

  #openSession(tunnel: Tunnel, { requestId }: Exchange, to: BackendAddress): BackendSession | null {
    let session: BackendSession | null = null;
    try {
      const stream = tunnel.openStream(report => session?.report(report));
      stream.write(encodePreamble(preambleOf(to, requestId)));
      const { limits, now } = this.#options;
      session = new BackendSession({
        stream,
        streamId: stream.id,
        tunnel,
        to,
        place: this,
        expectedConcurrent: this.#sessions.saidConcurrent(to),
        limits,
        now,
      });
      this.#sessions.add(session);
      return session;
    } catch (error) {
      if (!(error instanceof YamuxError)) throw error;
      // The tunnel began to go away between the choice and now.
      return null;
    }
  }

  #connectControl(exchange: Exchange, until: number): void {
    const idle = exchange.wantsNewConnection ? undefined : this.#idleControl.pop();
    if (idle !== undefined) return exchange.useConnection(idle);
    const socket = net.connect(this.#options.controlSocket);
    socket.once('error', error => {
      if (exchange.isEnded) return;
      if (this.#options.now() >= until) {
        exchange.onNoConnection(new EdgeError('control_unavailable', error.message));
        return;
      }
      setTimeout(() => {
        if (!exchange.isEnded) this.#connectControl(exchange, until);
      }, controlRetryMs);
    });
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      const connection = this.#controlConnection(socket);
      if (exchange.isEnded) connection.destroy();
      else exchange.useConnection(connection);
    });
  }

  #controlConnection(socket: net.Socket): BackendConnection {
    return new BackendConnection({
      stream: new SocketStream(socket),
      streamId: 0,
      tunnel: null,
      backendId: controlKey,
      backendKey: controlKey,
      pool: controlKey,
      place: this,
      limits: this.#options.limits,
    });
  }

  #closeOld(): void {
    const now = this.#options.now();
    this.#sessions.closeOld(now);
    for (const list of this.#lists()) {
      for (const connection of [...list]) {
        if (now - connection.idleSince >= connection.idleLimitMs) connection.destroy();
      }
    }
  }

  *#lists(): Generator<BackendConnection[]> {
    yield this.#idleControl;
    for (const ofTunnel of this.#idle.values()) yield* ofTunnel.values();
  }
}

/** Without the error's stack, which nobody needs that long. */
function factsOf({ code, hop, detail }: EdgeError): BackendFailure {
  return { code, hop, detail };
}

function purposeOf(
  { isUpgrade, client, route }: Exchange,
  { backendId, backendKey, pool }: BackendAddress,
  failedOn: ReadonlySet<Tunnel> | null,
): StreamPurpose {
  const groupId = route.application.connectorGroupId;
  return { groupId, backendId, backendKey, pool, failedOn, isUpgrade, client };
}

function preambleOf({ backendId: applicationId, dialHost }: BackendAddress, requestId: string): Preamble {
  return { applicationId, requestId, ...(dialHost !== null && { host: dialHost }) };
}

/** Pause a socket whose reader lags behind by more than this. */
const maxUnreadBytes = 256 * 1024;

/** A plain socket as a backend stream. */
class SocketStream implements BackendStream {
  onData: (bytes: Buffer) => void = () => {};
  onEnd: () => void = () => {};
  onError: (error: Error) => void = () => {};
  onDrain: () => void = () => {};
  readonly #socket: net.Socket;
  #unread = 0;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#unread += bytes.length;
      if (this.#unread > maxUnreadBytes) socket.pause();
      this.onData(bytes);
    });
    socket.once('end', () => this.onEnd());
    socket.on('error', error => this.onError(error));
    socket.on('drain', () => this.onDrain());
  }

  write(bytes: Buffer): boolean {
    return this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.onData = this.onEnd = this.onError = this.onDrain = () => {};
    this.#socket.destroy();
  }

  consumed(length: number): void {
    this.#unread -= length;
    if (this.#unread <= maxUnreadBytes) this.#socket.resume();
  }
}
