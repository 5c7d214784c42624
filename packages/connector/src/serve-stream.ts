import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { authority, type Outbound } from '@postern/outbound/outbound';
import type { BackendConfiguration, EndReason } from '@postern/protocol/tunnel/messages';
import {
  decodePreamble,
  encodeOpenAnswer,
  type OpenAnswer,
  type Preamble,
} from '@postern/protocol/tunnel/preamble';
import { isWildcardHost, wildcardLabels } from '@postern/protocol/tunnel/wildcard-host';
import type { YamuxStream } from '@postern/protocol/yamux/stream';
import type { AllowList } from './allow-list.ts';
import { DialError, dial, type OnBytes } from './backend.ts';
import type { OpenRecord, RequestOutcome, SessionLog } from './events/session-log.ts';

/** What a data stream needs of the connector that serves it. */
export interface ServeParts {
  /** The backend that is configured for an application right now. */
  readonly findBackend: (applicationId: string) => BackendConfiguration | undefined;
  readonly allow: AllowList;
  /** Names the proxy that leads to backends, where there is one. */
  readonly backendOutbound: Outbound;
  /** For preamble, name, connection and handshake together. */
  readonly connectTimeoutMs: number;
  /** Sends an end report; what is sent on the data stream afterwards arrives after it. */
  readonly report: (streamId: number, reason: EndReason, bytesWritten: number) => void;
  readonly onOpened: (outcome: OpenOutcome) => void;
  /** The backend's side is over. */
  readonly onOver: (stream: ServedStream) => void;
  /** Where requests are written down; null where nobody wants that. */
  readonly sessionLog: SessionLog | null;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

export interface OpenOutcome {
  readonly preamble: Preamble;
  readonly answer: OpenAnswer;
}

/** How long the service may take at least to end its side after our end has gone out, before the stream is reset. */
const lingerMs = 30_000;

/** From here on a piece is one of many. They come in records of 16 KiB, and each write by itself wakes the backend. */
const bulkBytes = 8 * 1024;

/**
 * One data stream: reads the preamble, dials the backend, and relays bytes both ways until both sides have ended.
 *
 * Bytes go on as they came, uncopied. A backend that reads slowly is not waited for with memory: what it has not taken
 * is not reported as consumed, so the service may send no more than the stream's window.
 */
export class ServedStream {
  readonly #stream: YamuxStream;
  readonly #parts: ServeParts;
  #backend: BackendConfiguration | null = null;
  /** Once the backend's connection is open. */
  #socket: Socket | null = null;
  #cancelDial: () => void = () => {};
  readonly #timer: NodeJS.Timeout;
  /** What comes for the backend waits: it has no connection yet, or the turn of the event loop is not over. */
  #isHolding = true;
  /** What waits; the stream's window bounds it. */
  #early: Buffer[] = [];
  #serviceEnded = false;
  /** What comes from the service now follows something that the backend has said: another request, perhaps. */
  #backendSpoke = false;
  #bytesWritten = 0;
  #unconsumed = 0;
  #isJoining = false;
  #isOver = false;
  /** Of the request that the stream carries, while a session log is kept. */
  #record: OpenRecord | null = null;
  /** Of those that a stream of HTTP/2 carries, by request id. */
  #records: Map<string, OpenRecord> | null = null;

  constructor(stream: YamuxStream, parts: ServeParts) {
    this.#stream = stream;
    this.#parts = parts;
    this.#timer = setTimeout(() => this.#abandon(), parts.connectTimeoutMs);
    stream.onData = bytes => this.#readPreamble(bytes);
    stream.onEnd = () => this.#abandon();
    stream.onError = () => this.#abandon();
  }

  get id(): number {
    return this.#stream.id;
  }

  /** The service begins another request `offset` bytes after the preamble. */
  beginRequest(requestId: string, offset: number): void {
    const backend = this.#backend;
    const { sessionLog } = this.#parts;
    if (backend === null || sessionLog === null || this.#isOver) return;
    const { applicationId, host, port, http2 } = backend;
    // The one before it is over, whatever its end was.
    if (!http2) this.#endRecord('answered', offset);
    const record = sessionLog.begin({ applicationId, requestId, backend: authority(host, port) }, offset);
    if (!http2) {
      this.#record = record;
      return;
    }
    this.#records ??= new Map();
    this.#records.set(requestId, record);
  }

  /**
   * The service has the whole answer, or wants no more of it.
   *
   * @param requestId Which one, of a stream of HTTP/2.
   */
  endRequest(outcome: 'answered' | 'service_closed', requestId?: string): void {
    if (requestId === undefined) return this.#endRecord(outcome);
    this.#records?.get(requestId)?.end(outcome, this.#bytesWritten);
    this.#records?.delete(requestId);
  }

  /** Ends the stream and its backend connection at once. */
  stop(reason: EndReason): void {
    if (this.#isOver) return;
    this.#parts.report(this.#stream.id, reason, this.#bytesWritten);
    this.#endRecord(reason);
    this.#abandon();
  }

  #readPreamble(bytes: Buffer): void {
    const head = this.#early.length === 0 ? bytes : Buffer.concat([...this.#early, bytes]);
    let read: ReturnType<typeof decodePreamble>;
    try {
      read = decodePreamble(head);
    } catch {
      return this.#abandon();
    }
    if (read === null) {
      this.#early = [head];
      return;
    }
    this.#stream.consumed(read.length);
    this.#early = read.length < head.length ? [head.subarray(read.length)] : [];
    this.#stream.onData = more => this.#receive(more);
    this.#stream.onEnd = () => {
      this.#serviceEnded = true;
      if (!this.#isHolding) this.#socket!.end();
    };
    void this.#open(read.preamble);
  }

  async #open(preamble: Preamble): Promise<void> {
    const { findBackend, onOpened } = this.#parts;
    const configured = findBackend(preamble.applicationId);
    if (configured === undefined) {
      const error = 'this application is not configured on this connector';
      return this.#fail(preamble, { code: 'unknown_application', detail: { error } });
    }
    const backend = withHost(configured, preamble.host);
    if (backend === null) {
      const error = `the host that was asked for is none of ${configured.host}, which is what is configured`;
      return this.#fail(preamble, { code: 'not_allowed', detail: { error } });
    }
    this.#backend = backend;
    this.beginRequest(preamble.requestId, 0);
    const { allow, backendOutbound: outbound, connectTimeoutMs, now } = this.#parts;
    const onBytes: OnBytes = (bytes, isBorrowed) => {
      this.#backendSpoke = true;
      this.#record?.received(bytes.length);
      if (this.#records !== null) for (const record of this.#records.values()) record.received(bytes.length);
      return isBorrowed ? this.#stream.writeBorrowed(bytes) : this.#stream.write(bytes);
    };
    const dialling = dial(backend, { allow, outbound, timeoutMs: connectTimeoutMs, now, onBytes });
    this.#cancelDial = dialling.cancel;
    clearTimeout(this.#timer);
    try {
      const { socket, detail } = await dialling.opened;
      if (this.#isOver) return void socket.destroy();
      this.#socket = socket;
      const answer: OpenAnswer = { code: 'ok', detail };
      this.#stream.write(encodeOpenAnswer(answer));
      this.#relay(socket);
      onOpened({ preamble, answer });
    } catch (error) {
      if (this.#isOver) return;
      if (!(error instanceof DialError)) throw error;
      this.#fail(preamble, { code: error.code, detail: error.detail });
    }
  }

  #fail(preamble: Preamble, answer: OpenAnswer): void {
    this.#stream.write(encodeOpenAnswer(answer));
    this.#stream.end();
    if (answer.code !== 'ok') this.#endRecord(answer.code);
    this.#parts.onOpened({ preamble, answer });
    this.#discard();
    this.#over();
  }

  #relay(socket: Socket): void {
    this.#stream.onDrain = () => void socket.resume();
    socket.on('drain', () => this.#drained());
    socket.on('end', () => this.#backendEnded());
    socket.on('error', () => this.#backendFailed());
    // After an end or an error this says nothing new; without either, the connection was cut.
    socket.on('close', () => this.#backendFailed());
    this.#passOn();
  }

  /** What waited goes to the backend. */
  #passOn(): void {
    if (this.#isOver) return;
    this.#isHolding = false;
    for (const bytes of this.#early) this.#write(bytes);
    this.#early = [];
    if (this.#serviceEnded) this.#socket!.end();
  }

  // A backend may have ended an idle connection by the time that the next request comes, and its end may be read in the
  // same turn of the event loop, but later. It is known at the turn's end, and what was not written is sent elsewhere.
  #receive(bytes: Buffer): void {
    if (this.#isHolding) return void this.#early.push(bytes);
    if (!this.#backendSpoke) return this.#write(bytes);
    this.#backendSpoke = false;
    this.#isHolding = true;
    this.#early.push(bytes);
    setImmediate(() => this.#passOn());
  }

  #write(bytes: Buffer): void {
    this.#bytesWritten += bytes.length;
    if (bytes.length >= bulkBytes) this.#join();
    if (this.#socket!.write(bytes) && this.#unconsumed === 0) return this.#stream.consumed(bytes.length);
    this.#unconsumed += bytes.length;
  }

  /** Lets what arrives in this turn of the event loop go out in one write. */
  #join(): void {
    if (this.#isJoining) return;
    this.#isJoining = true;
    this.#socket!.cork();
    setImmediate(() => {
      this.#isJoining = false;
      this.#socket!.uncork();
    });
  }

  #drained(): void {
    const length = this.#unconsumed;
    this.#unconsumed = 0;
    this.#stream.consumed(length);
  }

  // From the report on nothing is written to the backend: the service takes what lies beyond for unsent, and may send
  // it again elsewhere. What was written before still goes out, and the connection closes by itself.
  #backendEnded(): void {
    if (this.#isOver) return;
    const socket = this.#socket!;
    this.#parts.report(this.#stream.id, 'backend_closed', this.#bytesWritten);
    this.#endRecord('backend_closed');
    this.#stream.end();
    this.#discard();
    this.#over();
    socket.end();
    socket.setTimeout(lingerMs, () => socket.destroy());
  }

  #backendFailed(): void {
    if (this.#isOver) return;
    this.#parts.report(this.#stream.id, 'backend_reset', this.#bytesWritten);
    this.#endRecord('backend_reset');
    resetWhenSent(this.#stream);
    this.#socket!.destroy();
    this.#over();
  }

  /** Takes what still comes from the service, so that its end can be read, and lets go of it. */
  #discard(): void {
    const stream = this.#stream;
    if (stream.isClosed) return;
    let waiting = this.#unconsumed;
    for (const bytes of this.#early) waiting += bytes.length;
    this.#early = [];
    this.#unconsumed = 0;
    if (this.#serviceEnded) return;
    stream.consumed(waiting);
    let linger: NodeJS.Timeout;
    // Our end waits behind bytes that wait for the service's window, as long as a client pauses.
    const check = () => (stream.pendingBytes === 0 ? stream.reset() : wait());
    const wait = () => {
      linger = setTimeout(check, lingerMs).unref();
    };
    wait();
    stream.onData = bytes => stream.consumed(bytes.length);
    stream.onEnd = () => clearTimeout(linger);
    stream.onError = () => clearTimeout(linger);
  }

  /** The service does not want the stream any more, or the tunnel is lost, or no preamble came that can be read. */
  #abandon(): void {
    if (this.#isOver) return;
    this.#endRecord('service_closed');
    this.#stream.reset();
    if (this.#socket) cutBackend(this.#socket);
    else this.#cancelDial();
    this.#over();
  }

  #endRecord(outcome: RequestOutcome, offset = this.#bytesWritten): void {
    this.#record?.end(outcome, offset);
    this.#record = null;
    for (const record of this.#records?.values() ?? []) record.end(outcome, offset);
    this.#records = null;
  }

  #over(): void {
    this.#isOver = true;
    this.#early = [];
    clearTimeout(this.#timer);
    this.#parts.onOver(this);
  }
}

/** The backend to dial: with the host that was asked for where a wildcard is configured; null where it is none of its. */
function withHost(configured: BackendConfiguration, host: string | undefined): BackendConfiguration | null {
  if (!isWildcardHost(configured.host)) return configured;
  if (host === undefined || wildcardLabels(configured.host, host) === null) return null;
  return { ...configured, host };
}

// RST, where the connection can carry it: a FIN would say that the request is complete. Where one was asked for already,
// libuv may be about to send it, and then refuses to reset: the descriptor would stay open for ever, and keep the process
// from ending.
function cutBackend(socket: Socket): void {
  const canReset = !(socket instanceof TLSSocket || socket.connecting || socket.writableEnded);
  if (canReset && !socket.destroyed) socket.resetAndDestroy();
  else socket.destroy();
}

// A reset drops what waits for the service's window, which may be the answer that the backend gave before it went, to a
// client that pauses. The service resets what it does not want, and the window bounds what waits.
function resetWhenSent(stream: YamuxStream): void {
  if (stream.isClosed) return;
  if (stream.pendingBytes === 0) return stream.reset();
  stream.onDrain = () => {};
  setTimeout(() => resetWhenSent(stream), 50).unref();
}
