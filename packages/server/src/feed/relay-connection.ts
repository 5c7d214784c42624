import type net from 'node:net';
import { StringDecoder } from 'node:string_decoder';
import type { DoctorReport } from '@postern/protocol/doctor';
import { collectGarbageAfter } from '@postern/protocol/garbage-collection';
import type { Logger } from 'pino';
import type { BackendReport } from './backend-reports.ts';
import type { ControlMessage, RenewalRequest, TunnelRefusal, TunnelReport } from './messages.ts';
import type { PathFacts } from './path-facts.ts';
import type { PathOutcome } from './path-outcomes.ts';
import { parseRelayMessage } from './relay-messages.ts';

export interface RelayConnectionOptions {
  readonly maxQueuedBytes: number;
  readonly log: Logger;
  readonly onHello: () => void;
  readonly onApplied: () => void;
  readonly onFindSession: (question: number, idHash: string, host: string) => void;
  readonly onCredentialUsed: (credentialId: string) => void;
  readonly onLeave: (connectorId: string) => void;
  readonly onExamined: (question: number, report: DoctorReport | null) => void;
  readonly onBackendsReported: (question: number, reports: readonly BackendReport[] | null) => void;
  readonly onOutcomesReported: (question: number, outcomes: readonly PathOutcome[]) => void;
  readonly onTested: (question: number, facts: PathFacts | null) => void;
  readonly onRenew: (question: number, request: RenewalRequest) => void;
  readonly onTunnelUp: (tunnel: TunnelReport) => void;
  readonly onTunnelProbe: (tunnelId: string, isAnswered: boolean) => void;
  readonly onRefused: (refusal: TunnelRefusal) => void;
  readonly onAnchorsKept: (connectorId: string, anchors: readonly string[]) => void;
  readonly onTunnelDown: (tunnelId: string, reason: string) => void;
  readonly onClose: () => void;
}

/** The longest are the report of a connector's doctor, and what was seen of the applications of a page. */
const maxLineLength = 256 * 1024;

/** One relay on the feed's socket: cuts what it says into messages, and watches that it reads what it is told. */
export class RelayConnection {
  readonly #socket: net.Socket;
  readonly #options: RelayConnectionOptions;
  readonly #decoder = new StringDecoder('utf8');
  #unfinished = '';
  #greeted = false;
  #subscribed = false;
  #appliedSequence = -1;
  #snapshotBytes = 0;

  constructor(socket: net.Socket, options: RelayConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('data', bytes => this.#read(this.#decoder.write(bytes)));
    // 'close' follows, and says the rest.
    socket.on('error', error => options.log.warn({ error: error.message }, 'connection of a relay broke'));
    socket.once('close', () => {
      this.#subscribed = false;
      options.onClose();
    });
  }

  /** Whether it has got its snapshot, and so gets changes. */
  get isSubscribed(): boolean {
    return this.#subscribed;
  }

  /** The newest sequence number that is in force there; -1 before the first. */
  get appliedSequence(): number {
    return this.#appliedSequence;
  }

  /** Sends the snapshot; from now on the relay gets changes. */
  subscribe(snapshot: Extract<ControlMessage, { type: 'snapshot' }>): void {
    if (this.#socket.destroyed) return;
    const line = `${JSON.stringify(snapshot)}\n`;
    // Does not count as being stuck: it may be larger than all that ever follows.
    this.#snapshotBytes = Buffer.byteLength(line);
    this.#subscribed = true;
    this.sendLine(line);
    collectGarbageAfter(line.length);
  }

  send(message: ControlMessage): void {
    this.sendLine(`${JSON.stringify(message)}\n`);
  }

  sendLine(line: string): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(line);
    const queuedBytes = this.#socket.writableLength;
    if (queuedBytes <= this.#options.maxQueuedBytes + this.#snapshotBytes) return;
    this.#options.log.error({ queuedBytes }, 'a relay does not read the feed; its connection is closed');
    this.close();
  }

  close(): void {
    this.#subscribed = false;
    this.#socket.destroy();
  }

  #read(text: string): void {
    const lines = (this.#unfinished + text).split('\n');
    this.#unfinished = lines.pop() ?? '';
    for (const line of lines) this.#receive(line);
    if (this.#unfinished.length > maxLineLength) this.#refuse();
  }

  #receive(line: string): void {
    const message = parseRelayMessage(line);
    if (message === null || this.#greeted === (message.type === 'hello')) {
      this.#refuse();
      return;
    }
    switch (message.type) {
      case 'hello':
        this.#greeted = true;
        this.#options.onHello();
        return;
      case 'applied':
        this.#appliedSequence = message.sequence;
        this.#options.onApplied();
        return;
      case 'find-session':
        this.#options.onFindSession(message.question, message.idHash, message.host);
        return;
      case 'examined':
        this.#options.onExamined(message.question, message.report);
        return;
      case 'backends-reported':
        this.#options.onBackendsReported(message.question, message.reports);
        return;
      case 'outcomes-reported':
        this.#options.onOutcomesReported(message.question, message.outcomes);
        return;
      case 'tested':
        this.#options.onTested(message.question, message.facts);
        return;
      case 'renew':
        this.#options.onRenew(message.question, message);
        return;
      case 'credential-used':
        this.#options.onCredentialUsed(message.credentialId);
        return;
      case 'leave':
        this.#options.onLeave(message.connectorId);
        return;
      case 'tunnel-up':
        this.#options.onTunnelUp(message.tunnel);
        return;
      case 'tunnel-probe':
        this.#options.onTunnelProbe(message.tunnelId, message.isAnswered);
        return;
      case 'refused':
        this.#options.onRefused(message);
        return;
      case 'anchors-kept':
        this.#options.onAnchorsKept(message.connectorId, message.anchors);
        return;
      case 'tunnel-down':
        this.#options.onTunnelDown(message.tunnelId, message.reason);
        return;
    }
  }

  #refuse(): void {
    if (this.#socket.destroyed) return;
    this.#options.log.error('a relay said what is no message of the feed; its connection is closed');
    this.close();
  }
}
