import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { type Outbound, OutboundError, type OutboundProxy } from '@postern/outbound/outbound';
import type { DoctorReport } from '@postern/protocol/doctor';
import { unpackBackends } from '@postern/protocol/tunnel/backends';
import { ControlDecoder, encodeControlMessage } from '@postern/protocol/tunnel/control-framing';
import {
  type BackendConfiguration,
  type ConnectorMessage,
  type EndReason,
  type RefusalReason,
  type RenewalAnswer,
  type ServiceMessage,
  sessionLogFeature,
  tunnelProtocol,
} from '@postern/protocol/tunnel/messages';
import { YamuxSession } from '@postern/protocol/yamux/session';
import type { YamuxStream } from '@postern/protocol/yamux/stream';
import type { WindowBudget } from '@postern/protocol/yamux/window-budget';
import type { AllowList } from './allow-list.ts';
import type { SessionLog } from './events/session-log.ts';
import type { CertificatePair } from './identity/certificate-store.ts';
import { RenewalError } from './identity/renewal.ts';
import type { ServiceSettings } from './identity/service-settings.ts';
import { type OpenOutcome, ServedStream, type ServeParts } from './serve-stream.ts';

/** The service pings this often, and so do we when it is not heard; any byte received is life. */
const pingMs = 3_000;
/** So often while the service is heard and streams are open, whose windows grow by the round trip. */
const roundTripEveryMs = 12_000;
/** The same while there is no stream. */
const idleRoundTripEveryMs = 60_000;
const firstPings = 8;
/** Three pings without an answer: the connection is dead, whatever TCP still hopes for. */
const silenceMs = 9_000;
/** A beat this late means that the process itself stood still, and bytes may be waiting to be read. */
const lateBeatMs = 2_000;
const beatMs = 1_000;

/** The service signs in milliseconds, but a thousand connectors may ask it at once. */
const renewalTimeoutMs = 30_000;

/** Name, connection, handshake and the service's welcome: an attempt that takes longer is given up. */
const directTimeoutMs = 3_000;
/** The same through a proxy, which may have to look up a name, ask for the password and find out who has it. */
const proxiedTimeoutMs = 10_000;
/** What is said last has gone out by then, or never does. */
const lastWordMs = 1_000;
/** The most patience with a service that has taken the connection. */
const maxAnswerMs = 30_000;

/** How a tunnel ended, or why there was none. */
export class TunnelError extends Error {
  /**
   * - `unreachable`: no connection.
   * - `untrusted_service`: who answered does not hold a certificate of the service's own authority for this name.
   * - `not_a_tunnel`: who answered speaks something else.
   * - `refused`: the service does not accept this connector; `refusal` says why.
   * - `lost`: the connection broke or fell silent.
   * - `protocol_error`: the service broke the protocol.
   * - `closed`: the tunnel was ended in order, by either side.
   */
  readonly code:
    | 'unreachable'
    | 'untrusted_service'
    | 'not_a_tunnel'
    | 'refused'
    | 'lost'
    | 'protocol_error'
    | 'closed';
  readonly refusal: RefusalReason | null;
  /** The clock of the service that refused, in milliseconds since the epoch; null if it did not tell. */
  readonly serviceTime: number | null;

  constructor(
    code: TunnelError['code'],
    message: string,
    options?: ErrorOptions & { readonly refusal?: RefusalReason; readonly serviceTime?: number | null },
  ) {
    super(message, options);
    this.code = code;
    this.refusal = options?.refusal ?? null;
    this.serviceTime = options?.serviceTime ?? null;
  }
}

export interface TunnelClientOptions {
  readonly service: ServiceSettings;
  readonly pair: CertificatePair;
  readonly allow: AllowList;
  readonly machineName: string;
  readonly version: string;
  readonly os: string;
  readonly windowBudget: WindowBudget;
  /** Gets every request; without it, none is written down. */
  readonly sessionLog?: SessionLog | undefined;
  /** Looks at this connector, where the service asks for it; without it, the service is not answered. */
  readonly examine?: (() => Promise<DoctorReport>) | undefined;
  /** Makes the connection to the service. */
  readonly outbound: Outbound;
  /** Names the proxy that leads to backends, where there is one. */
  readonly backendOutbound: Outbound;
  /** For a tunnel. Default 3 000, through a proxy 10 000. */
  readonly connectTimeoutMs?: number;
  /** How many times as long a service that has taken the connection may take for its welcome. Default 1. */
  readonly patience?: number;
  /** For a backend. */
  readonly backendTimeoutMs: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly hooks: TunnelClientHooks;
}

export interface TunnelClientHooks {
  /** The service has accepted the tunnel. */
  onWelcome(tunnel: TunnelClient): void;
  onConfigured(tunnel: TunnelClient, backends: readonly BackendConfiguration[]): void;
  onStreamOpened(tunnel: TunnelClient, outcome: OpenOutcome): void;
  /** The service says which authorities may issue its certificate; nothing of it has been looked at. Absent: ignored. */
  onAnchors?(tunnel: TunnelClient, announced: unknown): void;
  /** The service takes this tunnel out of use: another is to be opened in its place. Streams in flight go on. */
  onGoAway(tunnel: TunnelClient): void;
  /** Called once, whatever became of the tunnel. */
  onClose(tunnel: TunnelClient, error: TunnelError): void;
}

/** One tunnel, from the attempt to connect until its end. */
export class TunnelClient {
  /** Of the node that answered; empty before its welcome. */
  nodeId = '';
  /** Address and port that the tunnel goes to; empty before the connection. */
  address = '';
  /** When the service accepted the tunnel, in milliseconds since the epoch; 0 before. */
  since = 0;
  /** The service's clock at its welcome, in milliseconds since the epoch; null if it did not tell. */
  serviceTime: number | null = null;
  /** Why the service takes this tunnel out of use, in its words; empty where it has not told. */
  goAwayDetail = '';
  /** The certificate that the service shows; undefined before the connection. */
  serverCertificate: X509Certificate | undefined;
  readonly pair: CertificatePair;
  readonly #options: TunnelClientOptions;
  readonly #proxy: OutboundProxy | null;
  /** Null until the connection is there, and TLS begins. */
  #socket: TLSSocket | null = null;
  readonly #closing = new AbortController();
  readonly #decoder = new ControlDecoder();
  readonly #served = new Map<number, ServedStream>();
  readonly #serveParts: ServeParts;
  #attempt: NodeJS.Timeout;
  #session: YamuxSession | null = null;
  #control: YamuxStream | null = null;
  #beat: NodeJS.Timeout | null = null;
  #lastBeatAt: number;
  #beats = 0;
  #backends: ReadonlyMap<string, BackendConfiguration> = new Map();
  #isDraining = false;
  /** The service opens no more streams, and those that it opened before are all here. */
  #hasWord = false;
  #isClosed = false;
  #nextRenewal = 1;
  readonly #renewals = new Map<number, (answer: RenewalAnswer | null) => void>();

  constructor(options: TunnelClientOptions) {
    this.#options = options;
    this.pair = options.pair;
    this.#lastBeatAt = options.now();
    this.#serveParts = {
      findBackend: applicationId => this.#backends.get(applicationId),
      allow: options.allow,
      backendOutbound: options.backendOutbound,
      connectTimeoutMs: options.backendTimeoutMs,
      report: (stream, reason, bytesWritten) => this.#say({ type: 'ended', stream, reason, bytesWritten }),
      onOpened: outcome => options.hooks.onStreamOpened(this, outcome),
      onOver: stream => this.#streamOver(stream),
      sessionLog: options.sessionLog ?? null,
      now: options.now,
    };
    const { connectHost, connectPort } = options.service;
    this.#proxy = options.outbound.proxyFor(connectHost, connectPort);
    const timeoutMs = options.connectTimeoutMs ?? (this.#proxy === null ? directTimeoutMs : proxiedTimeoutMs);
    // Before the timer, so that at the same moment the connection says what it waited for.
    void this.#connect(contextFor(options.service, options.pair), timeoutMs);
    this.#attempt = setTimeout(() => this.#giveUp(timeoutMs), timeoutMs);
  }

  /** The service has accepted the tunnel and it is not ending. */
  get isLive(): boolean {
    return this.since > 0 && !this.#isDraining && !this.#isClosed;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Somebody at the service's address has taken a connection, and may not have said a word yet. */
  get hasConnection(): boolean {
    return this.#socket !== null;
  }

  /** Data streams whose backend's side is not over. */
  get streamCount(): number {
    return this.#served.size;
  }

  get roundTripMs(): number | null {
    return this.#session?.roundTripMs ?? null;
  }

  /** Pings that went out since anything was heard. */
  get unansweredPings(): number {
    if (this.#session === null) return 0;
    return Math.floor((this.#options.now() - this.#session.lastReceivedAt) / pingMs);
  }

  /**
   * Asks the service for a new trust certificate for a new key.
   *
   * @returns the certificate, PEM.
   * @throws RenewalError `no_answer`, or what the service says.
   */
  async renew(proofCertificate: string): Promise<string> {
    const id = this.#nextRenewal++;
    const { promise, resolve } = Promise.withResolvers<RenewalAnswer | null>();
    const timer = setTimeout(() => resolve(null), renewalTimeoutMs);
    this.#renewals.set(id, resolve);
    if (this.#isClosed) resolve(null);
    this.#say({ type: 'renew', id, proofCertificate });
    const answer = await promise;
    clearTimeout(timer);
    this.#renewals.delete(id);
    if (answer === null) throw new RenewalError('no_answer', 'the service did not answer');
    if ('error' in answer) throw new RenewalError(answer.error.code, String(answer.error.message));
    return String(answer.certificate);
  }

  /** Tells the service which authorities are on disk: SHA-256 of each DER, upper-case hex. */
  confirmAnchors(anchors: readonly string[]): void {
    if (!this.#isClosed) this.#say({ type: 'anchors-kept', anchors });
  }

  /** Asks the service to revoke this connector for good, which ends the tunnel. */
  leave(): void {
    this.#say({ type: 'leave' });
  }

  /** Tells the service to open no more streams, and closes the tunnel when those in flight have ended. */
  drain(): void {
    if (this.#isDraining || this.#isClosed) return;
    this.#isDraining = true;
    if (this.#session === null) return this.close();
    this.#say({ type: 'draining' });
    this.#session.goAway();
    void this.#waitForWord(this.#session);
  }

  /** Ends the tunnel at once, and with it what is in flight. */
  close(reason: EndReason = 'connector_stopping'): void {
    for (const stream of [...this.#served.values()]) stream.stop(reason);
    this.#close(new TunnelError('closed', 'ended by this connector'));
  }

  // TLS begins and ends here and at the service, whatever lies between: a proxy sees the name, the port and ciphertext.
  async #connect(secureContext: SecureContext, timeoutMs: number): Promise<void> {
    const { service, outbound } = this.#options;
    const { connectHost, connectPort } = service;
    let connection: Socket;
    try {
      connection = await outbound.connect(connectHost, connectPort, {
        timeoutMs,
        signal: this.#closing.signal,
      });
    } catch (error) {
      return this.#close(noConnection(error));
    }
    this.#waitForAnswer(timeoutMs);
    const socket = connect({
      socket: connection,
      servername: connectHost,
      ALPNProtocols: [tunnelProtocol],
      secureContext,
    });
    this.#socket = socket;
    socket.once('secureConnect', () => this.#begin(socket));
    socket.on('error', error => this.#close(this.#explain(socket, error)));
    socket.once('close', () => this.#close(new TunnelError('lost', 'the connection was closed')));
    if (this.#isClosed) socket.destroy();
  }

  #begin(socket: TLSSocket): void {
    this.address = this.#describeWay(socket);
    // Once: on the client's side Node gives it away with the first call.
    this.serverCertificate = socket.getPeerX509Certificate();
    if (socket.alpnProtocol !== tunnelProtocol) {
      return this.#close(
        new TunnelError('not_a_tunnel', 'the service answered without the protocol postern/1'),
      );
    }
    const { now, windowBudget } = this.#options;
    const session = new YamuxSession({
      role: 'client',
      transport: {
        write: bytes => void socket.write(bytes),
        get queuedBytes() {
          return socket.writableLength;
        },
      },
      now,
      windowBudget,
      onStream: stream => this.#serve(stream),
      onGoAway: () => this.#serviceGoesAway(),
      onClose: error =>
        this.#close(
          new TunnelError('protocol_error', error?.message ?? 'the session was closed', { cause: error }),
        ),
    });
    this.#session = session;
    socket.on('data', (bytes: Buffer) => session.receive(bytes));
    socket.on('drain', () => session.transportDrained());
    this.#beat = setInterval(() => this.#onBeat(session), beatMs);
    this.#lastBeatAt = now();
    this.#openControl(session);
    void this.#measureRoundTrip(session);
  }

  // One ping may have waited behind the work of a start; windows that are sized by it become queues. The least of
  // several is near the truth.
  async #measureRoundTrip(session: YamuxSession): Promise<void> {
    for (let ping = 0; ping < firstPings && !this.#isClosed; ping++) await session.ping().catch(() => {});
  }

  #openControl(session: YamuxSession): void {
    const control = session.openStream();
    // The report of a stream's end has to arrive before that end, however much other streams have queued.
    control.prioritize();
    this.#control = control;
    control.onData = bytes => {
      control.consumed(bytes.length);
      this.#readControl(bytes);
    };
    control.onEnd = () => this.#close(new TunnelError('lost', 'the service ended the tunnel'));
    control.onError = error => this.#close(new TunnelError('lost', error.message, { cause: error }));
    const { machineName, version, os, sessionLog } = this.#options;
    const features = sessionLog === undefined ? [] : [sessionLogFeature];
    this.#say({ type: 'hello', version, features, machineName, os });
  }

  #readControl(bytes: Buffer): void {
    try {
      for (const message of this.#decoder.push(bytes)) {
        if (this.#isClosed) return;
        this.#handle(message as ServiceMessage);
      }
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#close(new TunnelError('protocol_error', why, { cause }));
    }
  }

  #handle(message: ServiceMessage): void {
    switch (message.type) {
      case 'welcome':
        if (this.since > 0) return;
        clearTimeout(this.#attempt);
        this.nodeId = String(message.nodeId);
        this.serviceTime = timeOf(message.time);
        this.since = Date.now();
        return this.#options.hooks.onWelcome(this);
      case 'configure':
        return this.#configure(message.revision, unpackBackends(message));
      case 'anchors':
        return this.#options.hooks.onAnchors?.(this, message.anchors);
      case 'request':
        return this.#served.get(message.stream)?.beginRequest(String(message.requestId), message.offset);
      case 'answered':
        return this.#served.get(message.stream)?.endRequest('answered', message.requestId);
      case 'broken-off':
        return this.#served.get(message.stream)?.endRequest('service_closed', message.requestId);
      case 'doctor':
        void this.#examine(message.id);
        return;
      case 'going-away':
        this.goAwayDetail = String(message.detail);
        return;
      case 'renewed':
        return this.#renewals.get(message.id)?.(message);
      case 'refused':
        return this.#close(
          new TunnelError('refused', String(message.detail), {
            refusal: message.reason,
            serviceTime: timeOf(message.time),
          }),
        );
    }
  }

  async #examine(id: number): Promise<void> {
    // What ails a doctor must not end the connector; who asked is not answered then.
    const report = await this.#options.examine?.().catch(() => undefined);
    if (report !== undefined) this.#say({ type: 'doctor-report', id, report });
  }

  #configure(revision: number, backends: readonly BackendConfiguration[]): void {
    this.#backends = new Map(backends.map(backend => [backend.applicationId, backend]));
    // Open streams go on: a change must not break what is under way, and the service ends what it has withdrawn.
    this.#say({ type: 'configured', revision });
    this.#options.hooks.onConfigured(this, backends);
  }

  #serve(stream: YamuxStream): void {
    this.#served.set(stream.id, new ServedStream(stream, this.#serveParts));
  }

  #streamOver(stream: ServedStream): void {
    this.#served.delete(stream.id);
    if (this.#isDraining) this.#closeIfDrained();
  }

  // A stream that the service opened before it heard of the end is refused, and its request goes elsewhere; were the
  // tunnel closed before that, nobody could tell whether it was sent. The first ping may be older than the go-away.
  async #waitForWord(session: YamuxSession): Promise<void> {
    try {
      await session.ping();
      await session.ping();
    } catch {
      // The tunnel is over.
      return;
    }
    this.#hasWord = true;
    this.#closeIfDrained();
  }

  #serviceGoesAway(): void {
    if (this.#isClosed) return;
    this.#hasWord = true;
    if (this.#isDraining) return this.#closeIfDrained();
    this.#isDraining = true;
    this.#options.hooks.onGoAway(this);
    this.#closeIfDrained();
  }

  // The session still counts the control stream, and streams whose last bytes are on their way out.
  #closeIfDrained(): void {
    const session = this.#session;
    if (session === null || !this.#hasWord || this.#served.size > 0 || session.streamCount > 1) return;
    if (session.queuedBytes > 0) return;
    this.#close(new TunnelError('closed', 'drained'));
  }

  #onBeat(session: YamuxSession): void {
    const now = this.#options.now();
    const late = now - this.#lastBeatAt - beatMs > lateBeatMs;
    this.#lastBeatAt = now;
    if (!late && now - session.lastReceivedAt >= silenceMs) {
      return this.#close(new TunnelError('lost', `nothing was heard for ${silenceMs / 1000} s`));
    }
    this.#beats += 1;
    if (this.#beats % this.#beatsToPing(now - session.lastReceivedAt) === 0)
      void session.ping().catch(() => {});
    if (this.#isDraining) this.#closeIfDrained();
  }

  // The service pings as often: while that is heard, ours would only tell how long the way is, and a thousand
  // connectors that say so every three seconds keep a service busy that has nothing to do.
  #beatsToPing(silentForMs: number): number {
    if (silentForMs > pingMs + beatMs) return pingMs / beatMs;
    return (this.#served.size > 0 ? roundTripEveryMs : idleRoundTripEveryMs) / beatMs;
  }

  #say(message: ConnectorMessage): void {
    if (this.#control === null || this.#control.isClosed) return;
    this.#control.write(encodeControlMessage(message));
  }

  // The kernel takes connections for a service that has no time for them.
  #waitForAnswer(timeoutMs: number): void {
    const { patience = 1 } = this.#options;
    if (patience === 1 || this.#isClosed) return;
    const answerMs = Math.min(timeoutMs * patience, maxAnswerMs);
    clearTimeout(this.#attempt);
    this.#attempt = setTimeout(() => this.#giveUp(answerMs), answerMs);
  }

  #giveUp(timeoutMs: number): void {
    this.#close(new TunnelError('unreachable', `${this.#missing()} within ${timeoutMs / 1000} s`));
  }

  /** What an attempt was waiting for. */
  #missing(): string {
    if (this.#session !== null) return 'no welcome';
    return this.#socket === null ? 'no connection' : 'the connection was taken, and not answered';
  }

  #describeWay(socket: TLSSocket): string {
    if (this.#proxy === null) return hostAndPort(socket.remoteAddress, socket.remotePort);
    const { connectHost, connectPort } = this.#options.service;
    const proxy = hostAndPort(this.#proxy.host, this.#proxy.port);
    return `${connectHost}:${connectPort} through the proxy ${proxy}`;
  }

  #explain(socket: TLSSocket, error: NodeJS.ErrnoException): TunnelError {
    const { code = '' } = error;
    const message = error.message === '' ? code : error.message;
    if (this.#session !== null) return new TunnelError('lost', message, { cause: error });
    if (socket.authorizationError || code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
      return new TunnelError('untrusted_service', message, { cause: error });
    }
    const isTls = code.startsWith('ERR_SSL') || code === 'EPROTO';
    return new TunnelError(isTls ? 'not_a_tunnel' : 'unreachable', message, { cause: error });
  }

  #close(error: TunnelError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#attempt);
    if (this.#beat) clearInterval(this.#beat);
    if (error.code === 'lost') this.#session?.transportClosed(error);
    else this.#session?.close();
    if (error.code === 'closed' && this.#session !== null) this.#sayLast();
    else this.#socket?.destroy();
    this.#closing.abort();
    for (const resolve of this.#renewals.values()) resolve(null);
    this.#options.hooks.onClose(this, error);
  }

  // What the session has just said still goes out; but nobody waits for a service that takes nothing more.
  #sayLast(): void {
    const socket = this.#socket!;
    socket.destroySoon();
    const timer = setTimeout(() => socket.destroy(), lastWordMs);
    socket.once('close', () => clearTimeout(timer));
  }
}

function timeOf(value: unknown): number | null {
  return Number.isSafeInteger(value) ? (value as number) : null;
}

function noConnection(error: unknown): TunnelError {
  if (!(error instanceof OutboundError)) {
    return new TunnelError('unreachable', error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
  return new TunnelError('unreachable', error.message.replace(/\.$/, ''), { cause: error });
}

function hostAndPort(host: string | undefined, port: number | undefined): string {
  return host?.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads what the service pushed; entries that cannot be understood may not be dialled. */
const contexts = new WeakMap<CertificatePair, { service: ServiceSettings; context: SecureContext }>();

// One context per certificate: each holds several hundred kilobytes outside the heap.
function contextFor(service: ServiceSettings, pair: CertificatePair): SecureContext {
  const known = contexts.get(pair);
  if (known?.service === service) return known.context;
  const context = createSecureContext({
    cert: pair.certificate,
    key: pair.privateKey,
    // These and no others: an authority that the machine trusts, such as that of a proxy that opens TLS, is nobody here.
    ca: [...service.anchors],
    minVersion: 'TLSv1.2',
  });
  contexts.set(pair, { service, context });
  return context;
}
