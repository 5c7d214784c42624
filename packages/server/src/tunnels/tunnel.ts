import type { TLSSocket } from 'node:tls';
import { type DoctorReport, doctorReport } from '@postern/protocol/doctor';
import { packBackends } from '@postern/protocol/tunnel/backends';
import { ControlDecoder, encodeControlMessage } from '@postern/protocol/tunnel/control-framing';
import {
  type BackendConfiguration,
  type ConnectorMessage,
  type EndReason,
  type GoAwayReason,
  type RenewalAnswer,
  type ServiceMessage,
  sessionLogFeature,
} from '@postern/protocol/tunnel/messages';
import { YamuxSession } from '@postern/protocol/yamux/session';
import type { YamuxStream } from '@postern/protocol/yamux/stream';
import type { WindowBudget } from '@postern/protocol/yamux/window-budget';
import { Heartbeat } from './heartbeat.ts';
import { backendKeyOf } from './wanted-backends.ts';

/** The doctor of a connector takes 20 s at worst. */
const examinationMs = 30_000;
const maxReportLength = 96 * 1024;
/** The connector is pinged this often; any byte is life. */
const pingMs = 3_000;
const firstPings = 8;
/** Pings are answered within far less: a tunnel that was silent for so long is used only where there is no other. */
const quietMs = 4_000;
/** A tunnel on which nothing came for this long is dead. */
const silenceMs = 10_000;
/** A connector whose last answer to a ping is older than this is not active, whatever else comes from it. */
const answerMs = 10_000;
/** Why a tunnel ended. */
const expired = 'its trust certificate has expired';
/** Authorities that a connector may say it keeps; more is nonsense. */
const maxKeptAnchors = 16;
/** Shared by all tunnels, whose pings leave in 30 portions. */
const heartbeat = new Heartbeat(pingMs, 30);

export interface TunnelHooks {
  /** The connector has said hello and has its configuration in force: streams may be opened. */
  onReady(tunnel: Tunnel): void;
  /** The connector's configuration changed or the tunnel takes no new streams any more. */
  onChange(tunnel: Tunnel): void;
  /** Pings are not answered any more, or again. */
  onProbe(tunnel: Tunnel): void;
  /** The connector has these authorities (SHA-256 of the DER, upper-case hex) on its disk, and trusts them. */
  onAnchorsKept(tunnel: Tunnel, anchors: readonly string[]): void;
  /** The connector asks for a new trust certificate. */
  onRenew(tunnel: Tunnel, proofCertificate: string): Promise<RenewalAnswer>;
  /** The connector is being uninstalled, and is to be revoked. */
  onLeave(tunnel: Tunnel): void;
  /** Its trust certificate has expired: it takes no new streams, and is closed when those in flight had their time. */
  onExpire(tunnel: Tunnel): void;
  /** That time is over; the tunnel is closed behind this. */
  onCut(tunnel: Tunnel): void;
  onClose(tunnel: Tunnel, reason: string): void;
}

export interface TunnelOptions {
  readonly id: string;
  readonly connectorId: string;
  /** The trust certificate that it was opened with: SHA-256 of the DER, upper-case hex. */
  readonly certificateSha256: string;
  /** When that expires, in milliseconds since the epoch. */
  readonly certificateNotAfter: number;
  /** How long streams in flight may go on when it has. */
  readonly drainMs: number;
  readonly nodeId: string;
  readonly socket: TLSSocket;
  readonly externalIp: string;
  readonly windowBudget: WindowBudget;
  /** Of the first data stream. Default 2. */
  readonly firstStreamId?: number;
  readonly hooks: TunnelHooks;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Milliseconds since the epoch: what certificates are judged by. */
  readonly clock: () => number;
}

/** What the connector says of a stream that it ended. */
export interface EndReport {
  readonly reason: EndReason;
  readonly bytesWritten: number;
}

/** One accepted tunnel: the streams of one connector over one mTLS connection, and its control stream. */
export class Tunnel {
  readonly id: string;
  readonly connectorId: string;
  readonly certificateSha256: string;
  readonly externalIp: string;
  readonly since = Date.now();
  machineName = '';
  version = '';
  os = '';
  /** The connector keeps a session log, and is told of every request and its end. */
  logsRequests = false;
  /** Streams that carry a request right now; what load balancing compares. */
  outstanding = 0;
  /** Nothing was heard for a while, or pings are not answered; perhaps the connection is dead already. */
  isQuiet = false;
  /** A ping went to the connector and back within the last 10 s; the handshake counts as the first. */
  answersProbes = true;
  readonly #options: TunnelOptions;
  readonly #session: YamuxSession;
  readonly #endBeats: () => void;
  readonly #decoder = new ControlDecoder();
  readonly #endListeners = new Map<number, (report: EndReport) => void>();
  readonly #examinations = new Map<number, (report: DoctorReport | null) => void>();
  #nextExamination = 1;
  #control: YamuxStream | null = null;
  #saidHello = false;
  #draining = false;
  #isRenewing = false;
  #wasExpired = false;
  /** In the clock of `now`; set when the certificate has expired. */
  #cutAt = Number.POSITIVE_INFINITY;
  #closed = false;
  #lastByteAt: number;
  #lastAnswerAt: number;
  #toldAnchors: readonly string[] | null = null;
  #revision = 0;
  #pushed = new Map<number, ReadonlyMap<string, string>>();
  #inForce: ReadonlyMap<string, string> = new Map();
  #wanted: readonly BackendConfiguration[] = [];

  constructor(options: TunnelOptions) {
    const { socket } = options;
    this.id = options.id;
    this.connectorId = options.connectorId;
    this.certificateSha256 = options.certificateSha256;
    this.externalIp = options.externalIp;
    this.#options = options;
    this.#lastByteAt = options.now();
    this.#lastAnswerAt = this.#lastByteAt;
    this.#session = new YamuxSession({
      role: 'server',
      transport: {
        write: bytes => void socket.write(bytes),
        get queuedBytes() {
          return socket.writableLength;
        },
      },
      now: options.now,
      windowBudget: options.windowBudget,
      ...(options.firstStreamId !== undefined && { firstStreamId: options.firstStreamId }),
      // One more than the control stream, which is all that a connector may open: the second ends the tunnel.
      acceptBacklog: 2,
      onStream: stream => this.#acceptControl(stream),
      onGoAway: () => this.#drain(),
      onClose: error => this.close(error?.message ?? 'closed'),
    });
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      this.#lastByteAt = options.now();
      this.isQuiet = !this.answersProbes;
      this.#session.receive(bytes);
    });
    socket.on('drain', () => this.#session.transportDrained());
    // The public port keeps half-open connections for browsers' sake; a tunnel has no use for one.
    socket.once('end', () => this.close('the connector ended the connection'));
    socket.on('error', error => this.close(error.message));
    socket.once('close', () => this.close('connection closed'));
    this.#endBeats = heartbeat.add(() => this.#beat());
    void this.#measureRoundTrip();
  }

  /** True while new streams may be opened. */
  get isOpen(): boolean {
    return this.#saidHello && !this.#draining && !this.#closed && !this.#session.isExhausted;
  }

  get queuedBytes(): number {
    return this.#session.queuedBytes;
  }

  get roundTripMs(): number | null {
    return this.#session.roundTripMs;
  }

  get streamCount(): number {
    return this.#session.streamCount;
  }

  /** Whether the connector has this backend of the application in force. */
  serves(applicationId: string, backendKey: string): boolean {
    return this.#inForce.get(applicationId) === backendKey;
  }

  /** Says what the connector may dial; in force once the connector has confirmed it. */
  configure(backends: readonly BackendConfiguration[]): void {
    if (backends === this.#wanted) return;
    this.#wanted = backends;
    if (this.#saidHello) this.#pushConfiguration();
  }

  /**
   * Opens a data stream.
   *
   * @param onEnded Called at most once, before the stream's own end, with the connector's report of it.
   */
  openStream(onEnded: (report: EndReport) => void): YamuxStream {
    const stream = this.#session.openStream();
    this.#endListeners.set(stream.id, onEnded);
    if (this.#session.isExhausted) this.goAway('exhausted', 'it has no stream id left');
    return stream;
  }

  /** Says which authorities (PEM) may issue the service's certificate, unless that was said already. */
  announceAnchors(anchors: readonly string[]): void {
    if (!this.#saidHello || this.#toldAnchors?.join() === anchors.join()) return;
    this.#toldAnchors = anchors;
    this.#say({ type: 'anchors', anchors });
  }

  /** For the connector's session log: another request begins on a stream, `offset` bytes after the preamble. */
  announceRequest(stream: number, offset: number, requestId: string): void {
    this.#say({ type: 'request', stream, offset, requestId });
  }

  /**
   * For the connector's session log: the answer to the request of a stream was complete.
   *
   * @param requestId Which one, of a stream that carries several at a time.
   */
  announceAnswered(stream: number, requestId?: string): void {
    this.#say({ type: 'answered', stream, ...(requestId !== undefined && { requestId }) });
  }

  /** For the connector's session log: one of several requests of a stream is over without a whole answer. */
  announceBrokenOff(stream: number, requestId: string): void {
    this.#say({ type: 'broken-off', stream, requestId });
  }

  /** The stream is over and no report of it matters any more. */
  forgetStream(id: number): void {
    this.#endListeners.delete(id);
  }

  /** Says that no more streams come, and why, so that the connector connects anew; streams in flight go on. */
  goAway(reason: GoAwayReason, detail: string): void {
    this.#say({ type: 'going-away', reason, detail });
    this.#session.goAway(0);
    this.#drain();
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endBeats();
    this.#endListeners.clear();
    for (const resolve of this.#examinations.values()) resolve(null);
    this.#session.close();
    this.#options.socket.destroy();
    this.#options.hooks.onClose(this, reason);
  }

  // One ping may have waited behind the work of a start; windows that are sized by it become queues. The least of
  // several is near the truth.
  async #measureRoundTrip(): Promise<void> {
    for (let ping = 0; ping < firstPings && !this.#closed; ping++) {
      await this.#session.ping().catch(() => {});
    }
  }

  #acceptControl(stream: YamuxStream): void {
    if (this.#control !== null) return this.close('the connector opened a second stream');
    this.#control = stream;
    stream.prioritize();
    stream.onData = bytes => {
      stream.consumed(bytes.length);
      this.#readControl(bytes);
    };
    stream.onEnd = () => this.close('the connector ended its control stream');
    stream.onError = error => this.close(error.message);
    const { nodeId } = this.#options;
    this.#say({ type: 'welcome', connectorId: this.connectorId, nodeId, time: Date.now() });
  }

  #readControl(bytes: Buffer): void {
    try {
      for (const message of this.#decoder.push(bytes)) {
        if (this.#closed) return;
        this.#handle(message as ConnectorMessage);
      }
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.close(error.message);
    }
  }

  #handle(message: ConnectorMessage): void {
    switch (message.type) {
      case 'hello':
        if (this.#saidHello) return this.close('a second hello on a live tunnel');
        this.#saidHello = true;
        this.machineName = String(message.machineName).slice(0, 253);
        this.version = String(message.version).slice(0, 64);
        this.os = String(message.os).slice(0, 128);
        this.logsRequests = Array.isArray(message.features) && message.features.includes(sessionLogFeature);
        this.#pushConfiguration();
        this.#options.hooks.onReady(this);
        return;
      case 'configured':
        this.#confirm(message.revision);
        return;
      case 'ended': {
        // A number that is none would compare as "nothing was written", and a request could be sent twice.
        if (!isCount(message.stream) || !isCount(message.bytesWritten)) {
          throw new SyntaxError('an end report without stream and bytes written');
        }
        const listener = this.#endListeners.get(message.stream);
        this.#endListeners.delete(message.stream);
        listener?.({ reason: message.reason, bytesWritten: message.bytesWritten });
        return;
      }
      case 'draining':
        this.#drain();
        return;
      case 'doctor-report':
        this.#examinations.get(message.id)?.(readReport(message.report));
        return;
      case 'renew':
        void this.#renew(message.id, String(message.proofCertificate));
        return;
      case 'anchors-kept':
        this.#options.hooks.onAnchorsKept(this, readAnchors(message.anchors));
        return;
      case 'leave':
        this.#options.hooks.onLeave(this);
        return;
    }
  }

  /** Lets the connector look at itself; null if it does not answer, as one of an older release, or ends. */
  async examine(): Promise<DoctorReport | null> {
    const id = this.#nextExamination++;
    const { promise, resolve } = Promise.withResolvers<DoctorReport | null>();
    const timer = setTimeout(() => resolve(null), examinationMs);
    this.#examinations.set(id, resolve);
    if (this.#closed) resolve(null);
    this.#say({ type: 'doctor', id });
    const report = await promise;
    clearTimeout(timer);
    this.#examinations.delete(id);
    return report;
  }

  async #renew(id: number, proofCertificate: string): Promise<void> {
    // A connector asks for one certificate at a time; whoever asks for more only makes work.
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    const answer = await this.#options.hooks.onRenew(this, proofCertificate);
    this.#isRenewing = false;
    if (!this.#closed) this.#say({ type: 'renewed', id, ...answer });
  }

  #pushConfiguration(): void {
    this.#revision += 1;
    const keys = new Map(this.#wanted.map(backend => [backend.applicationId, backendKeyOf(backend)]));
    this.#pushed.set(this.#revision, keys);
    this.#say({ type: 'configure', revision: this.#revision, ...packBackends(this.#wanted) });
    // What is no longer wanted must not be used while the connector still has it.
    this.#inForce = new Map([...this.#inForce].filter(([id, key]) => keys.get(id) === key));
  }

  #confirm(revision: number): void {
    const keys = this.#pushed.get(revision);
    if (keys === undefined) return;
    for (const older of this.#pushed.keys()) if (older <= revision) this.#pushed.delete(older);
    const newest = new Map(this.#wanted.map(backend => [backend.applicationId, backendKeyOf(backend)]));
    this.#inForce = new Map([...keys].filter(([id, key]) => newest.get(id) === key));
    this.#options.hooks.onChange(this);
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#options.hooks.onChange(this);
  }

  #say(message: ServiceMessage): void {
    this.#control?.write(encodeControlMessage(message));
  }

  #beat(): void {
    const silentForMs = this.#options.now() - this.#lastByteAt;
    if (silentForMs > silenceMs) return this.close('nothing heard for 10 s');
    this.#setAnswers(this.#options.now() - this.#lastAnswerAt <= answerMs);
    if (silentForMs > quietMs) this.isQuiet = true;
    void this.#probe();
    this.#checkExpiry();
    if (this.#closed || !this.#draining || this.#session.streamCount > 1) return;
    this.close(this.#isExpired ? expired : 'drained');
  }

  get #isExpired(): boolean {
    return this.#cutAt !== Number.POSITIVE_INFINITY;
  }

  /**
   * A connector that has renewed in time has long opened another tunnel with its new certificate, and one that has such a
   * certificate opens it now.
   */
  #checkExpiry(): void {
    const { now, clock, certificateNotAfter, drainMs, hooks } = this.#options;
    if (this.#isExpired) {
      if (now() < this.#cutAt) return;
      hooks.onCut(this);
      return this.close(expired);
    }
    const isExpired = clock() > certificateNotAfter;
    // Looked at twice: a clock that jumps for a moment must not cut every connector off.
    if (isExpired && this.#wasExpired) {
      this.#cutAt = now() + drainMs;
      hooks.onExpire(this);
      const since = new Date(certificateNotAfter).toISOString();
      this.goAway('expired', `the trust certificate expired on ${since}`);
    }
    this.#wasExpired = isExpired;
  }

  async #probe(): Promise<void> {
    try {
      await this.#session.ping();
    } catch {
      // The tunnel is over, and says so elsewhere.
      return;
    }
    this.#lastAnswerAt = this.#options.now();
    this.#setAnswers(true);
  }

  #setAnswers(answers: boolean): void {
    if (this.answersProbes === answers || this.#closed) return;
    this.answersProbes = answers;
    this.isQuiet = !answers;
    this.#options.hooks.onProbe(this);
  }
}

/** What is no list of fingerprints is none. */
function readAnchors(value: unknown): string[] {
  if (!Array.isArray(value) || value.length > maxKeptAnchors) return [];
  return value.filter(one => typeof one === 'string' && /^[0-9A-F]{64}$/.test(one));
}

/** A connector says what it likes: what is no report, or a monstrous one, is none. */
function readReport(value: unknown): DoctorReport | null {
  const report = doctorReport.safeParse(value).data ?? null;
  return report !== null && JSON.stringify(report).length <= maxReportLength ? report : null;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
