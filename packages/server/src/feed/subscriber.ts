import net from 'node:net';
import type { DoctorReport } from '@postern/protocol/doctor';
import { collectGarbageAfter } from '@postern/protocol/garbage-collection';
import type { RenewalAnswer } from '@postern/protocol/tunnel/messages';
import type { Logger } from 'pino';
import type { BackendReport } from './backend-reports.ts';
import type { ControlMessage, RelayMessage, RenewalRequest, SessionRecord } from './messages.ts';
import type { PathFacts, PathTest } from './path-facts.ts';
import type { PathOutcome } from './path-outcomes.ts';
import type { RelayState } from './relay-state.ts';

export interface FeedSubscriberParts {
  readonly socketPath: string;
  readonly state: RelayState;
  readonly log: Logger;
  /** Called after a snapshot or a list of changes is in force. */
  readonly onChange: () => void;
  /** Called with every new connection to the control process, so that what it must know can be told again. */
  readonly onConnect: () => void;
  /** Lets a connector look at itself; null where that brings no report. Never rejects. */
  readonly onExamine: (connectorId: string) => Promise<DoctorReport | null>;
  /** What was seen last of the way to applications. */
  readonly onReportOutcomes: (applicationIds: readonly string[]) => readonly PathOutcome[];
  /** Sends a request to an application; null where this relay does not publish it. Never rejects. */
  readonly onTest: (test: PathTest) => Promise<PathFacts | null>;
  /** What is known of the health of an application's backends; null where it is not published here. */
  readonly onReportBackends: (applicationId: string) => readonly BackendReport[] | null;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** A feed that was silent for this long is taken for dead; the control process says something every 5 s. Default 15 000. */
  readonly silenceMs?: number;
}

const defaultSilenceMs = 15_000;
const watchMs = 1_000;
const retryMs = 250;
const questionTimeoutMs = 5_000;
/** Signing takes milliseconds; but a thousand connectors may ask at once. */
const renewalTimeoutMs = 20_000;

/** Answers to questions of this relay. */
type Answer = Extract<ControlMessage, { readonly question: number }>;

/**
 * The relay's end of the feed: keeps one connection to the control process, applies what comes to the state, and asks
 * for sessions that the state lacks. While there is no connection the state stays as it is; {@link silentForMs} says for
 * how long.
 */
export class FeedSubscriber {
  readonly #parts: FeedSubscriberParts;
  #socket: net.Socket | null = null;
  /** Pieces of a message that has not come to its end. */
  #pending: string[] = [];
  #lastHeardAt: number;
  #connectedAt = 0;
  /** This connection's snapshot is in force. */
  #hasSnapshot = false;
  #stopped = false;
  #retry: NodeJS.Timeout | null = null;
  readonly #watch: NodeJS.Timeout;
  #nextQuestion = 1;
  readonly #questions = new Map<number, (answer: Answer | null) => void>();
  readonly #ready = Promise.withResolvers<void>();

  constructor(parts: FeedSubscriberParts) {
    this.#parts = parts;
    this.#lastHeardAt = parts.now();
    this.#watch = setInterval(() => this.#checkSilence(), Math.min(watchMs, this.#silenceMs));
    this.#connect();
  }

  /** Resolves with the first snapshot. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /**
   * Milliseconds since the control process was last heard; 0 while it is connected and has said what holds. A connection
   * alone proves nothing: the kernel makes it for a process that stands still.
   */
  silentForMs(): number {
    if (this.#socket !== null && this.#hasSnapshot) return 0;
    return this.#parts.now() - this.#lastHeardAt;
  }

  send(message: RelayMessage): void {
    this.#socket?.write(`${JSON.stringify(message)}\n`);
  }

  /** Asks the control process for a session that the state lacks, and has now; null if there is none or nobody to ask. */
  async findSession(idHash: string, host: string): Promise<SessionRecord | null> {
    const answer = await this.#ask(
      question => ({ type: 'find-session', question, idHash, host }),
      questionTimeoutMs,
    );
    return answer?.type === 'session' ? answer.session : null;
  }

  /** Asks the control process for a new trust certificate. */
  async renew(request: RenewalRequest): Promise<RenewalAnswer> {
    const answer = await this.#ask(question => ({ type: 'renew', question, ...request }), renewalTimeoutMs);
    if (answer?.type === 'renewed') return answer.answer;
    return { error: { code: 'unavailable', message: 'this part of the service cannot issue right now' } };
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#watch);
    if (this.#retry) clearTimeout(this.#retry);
    this.#socket?.destroy();
  }

  #connect(): void {
    if (this.#stopped) return;
    const socket = net.connect(this.#parts.socketPath);
    socket.setEncoding('utf8');
    socket.once('connect', () => {
      this.#socket = socket;
      this.#pending = [];
      this.#hasSnapshot = false;
      this.#connectedAt = this.#parts.now();
      this.send({ type: 'hello', processId: process.pid });
      this.#parts.onConnect();
    });
    socket.on('data', (text: unknown) => this.#read(String(text)));
    socket.on('error', error => this.#parts.log.debug({ error: error.message }, 'feed not reached'));
    socket.once('close', () => this.#lost(socket));
  }

  #lost(socket: net.Socket): void {
    if (this.#socket === socket) {
      this.#socket = null;
      for (const question of [...this.#questions.keys()]) this.#answer(question, null);
      if (!this.#stopped) this.#parts.log.warn('connection to the control process lost; serving from memory');
    }
    if (!this.#stopped) this.#retry = setTimeout(() => this.#connect(), retryMs);
  }

  get #silenceMs(): number {
    return this.#parts.silenceMs ?? defaultSilenceMs;
  }

  #checkSilence(): void {
    if (this.#socket === null) return;
    const since = Math.max(this.#connectedAt, this.#lastHeardAt);
    if (this.#parts.now() - since > this.#silenceMs) this.#socket.destroy(new Error('feed silent'));
  }

  #read(text: string): void {
    this.#lastHeardAt = this.#parts.now();
    // Pieces are only looked at once: a snapshot may come in hundreds.
    if (!text.includes('\n')) {
      this.#pending.push(text);
      return;
    }
    const lines = [...this.#pending, text].join('').split('\n');
    this.#pending = [lines.pop() ?? ''];
    for (const line of lines) {
      this.#apply(JSON.parse(line) as ControlMessage);
      collectGarbageAfter(line.length);
    }
  }

  #apply(message: ControlMessage): void {
    switch (message.type) {
      case 'snapshot':
        this.#parts.state.load(message.state);
        this.#hasSnapshot = true;
        this.#parts.onChange();
        this.send({ type: 'applied', sequence: message.sequence });
        this.#ready.resolve();
        return;
      case 'changes':
        for (const change of message.changes) this.#parts.state.apply(change);
        this.#parts.onChange();
        this.send({ type: 'applied', sequence: message.sequence });
        return;
      case 'session':
        // Here and not by whoever asked: its end may be the next line, and would come first.
        if (message.session !== null) this.#parts.state.putSession(message.session);
        this.#answer(message.question, message);
        return;
      case 'renewed':
        this.#answer(message.question, message);
        return;
      case 'report-outcomes': {
        const outcomes = this.#parts.onReportOutcomes(message.applicationIds);
        this.send({ type: 'outcomes-reported', question: message.question, outcomes });
        return;
      }
      case 'test':
        void this.#test(message.question, message.test);
        return;
      case 'examine':
        void this.#examine(message.question, message.connectorId);
        return;
      case 'report-backends': {
        const { question, applicationId } = message;
        const reports = this.#parts.onReportBackends(applicationId);
        this.send({ type: 'backends-reported', question, reports });
        return;
      }
      case 'alive':
        return;
    }
  }

  async #test(question: number, test: PathTest): Promise<void> {
    this.send({ type: 'tested', question, facts: await this.#parts.onTest(test) });
  }

  async #examine(question: number, connectorId: string): Promise<void> {
    const report = await this.#parts.onExamine(connectorId);
    this.send({ type: 'examined', question, report });
  }

  /** Null: nobody to ask, or no answer in time. */
  #ask(build: (question: number) => RelayMessage, timeoutMs: number): Promise<Answer | null> {
    if (this.#socket === null) return Promise.resolve(null);
    const question = this.#nextQuestion++;
    const { promise, resolve } = Promise.withResolvers<Answer | null>();
    const timer = setTimeout(() => this.#answer(question, null), timeoutMs);
    this.#questions.set(question, answer => {
      clearTimeout(timer);
      resolve(answer);
    });
    this.send(build(question));
    return promise;
  }

  #answer(question: number, answer: Answer | null): void {
    const resolve = this.#questions.get(question);
    this.#questions.delete(question);
    resolve?.(answer);
  }
}
