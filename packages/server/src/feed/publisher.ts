import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { DoctorReport } from '@postern/protocol/doctor';
import type { RenewalAnswer } from '@postern/protocol/tunnel/messages';
import type { Logger } from 'pino';
import type { BackendReport } from './backend-reports.ts';
import type {
  ChallengeRecord,
  Change,
  ControlMessage,
  RelayState,
  RenewalRequest,
  SessionRecord,
  TokenTrust,
  TunnelRefusal,
  TunnelReport,
  TunnelTrust,
} from './messages.ts';
import type { PathFacts, PathTest } from './path-facts.ts';
import type { PathOutcome } from './path-outcomes.ts';
import type { Presence } from './presence.ts';
import { RelayConnection } from './relay-connection.ts';

/** Where the publisher reads from. Whatever it is handed lies before every change that is published afterwards. */
export interface FeedSource {
  readState(
    use: (state: Omit<RelayState, 'tunnelTrust' | 'tokenTrust' | 'challenges'>) => void,
  ): Promise<void>;
  findSession(idHash: string, host: string, use: (session: SessionRecord | null) => void): Promise<void>;
}

/** What is told about connectors, for the store and the log. */
export interface TunnelEvents {
  tunnelUp(tunnel: TunnelReport): void;
  tunnelDown(connectorId: string, reason: string): void;
  /** Pings on a tunnel are not answered any more, or again. */
  tunnelProbe(tunnel: TunnelReport, isAnswered: boolean): void;
  /** A connector asks to be revoked. */
  leaving(connectorId: string): void;
  /** The certificate of a connector that is known was not accepted. */
  refused(refusal: TunnelRefusal): void;
  /** A connector trusts these authorities for `connect.<domain>`: SHA-256 of each DER. */
  anchorsKept(connectorId: string, anchors: readonly string[]): void;
}

export interface FeedPublisherParts {
  readonly socketPath: string;
  readonly source: FeedSource;
  readonly tunnelTrust: () => Promise<TunnelTrust>;
  readonly presence: Presence;
  readonly tunnelEvents: TunnelEvents;
  /** Issues a new trust certificate; its record has been published when this resolves. */
  readonly renew: (request: RenewalRequest) => Promise<RenewalAnswer>;
  /** A credential of an application was used. */
  readonly onCredentialUsed: (credentialId: string) => void;
  readonly log: Logger;
  /** Bytes that may wait for a relay beyond its snapshot before it is taken for stuck; default 64 MiB. */
  readonly maxQueuedBytes?: number;
}

/** Why a tunnel ended that went down with its relay, or with the connection to it. */
export const relayLost = 'relay_lost';
/** Relays take a feed that was silent for 15 s for dead. */
const aliveMs = 5_000;
/** Long enough for a relay that has much to do; without an answer the challenge is met or not. */
const challengeMs = 5_000;
/** Longer than relays wait for the connector. */
const examinationMs = 35_000;
/** Relays answer from memory; a list of applications must not wait for one that is stuck. */
const outcomesMs = 2_000;
/** Longer than relays wait for the application. */
const pathTestMs = 25_000;
/** What a relay knows it says at once. */
const reportMs = 5_000;
/** How long relays may take to bring other authorities into force. */
const trustTimeoutMs = 10_000;
const defaultMaxQueuedBytes = 64 * 1024 * 1024;

interface Waiter {
  readonly sequence: number;
  readonly done: () => void;
}

/**
 * The control process's end of the feed. A relay that says hello gets a snapshot and every change after it, each once and
 * in order; one that does not read is cut off, and gets a new snapshot when it comes back.
 */
export class FeedPublisher {
  readonly #parts: FeedPublisherParts;
  readonly #server: net.Server;
  readonly #relays = new Set<RelayConnection>();
  readonly #waiters = new Set<Waiter>();
  #trust: TunnelTrust | null = null;
  #tokenTrust: TokenTrust | null = null;
  /** Of the change that brought it. */
  #trustSequence = 0;
  readonly #challenges = new Map<string, ChallengeRecord>();
  #alive: NodeJS.Timeout | null = null;
  #sequence = 0;
  #nextQuestion = 1;
  readonly #examinations = new Map<number, (report: DoctorReport | null) => void>();
  readonly #reports = new Map<number, (reports: readonly BackendReport[] | null) => void>();
  readonly #outcomes = new Map<number, (outcomes: readonly PathOutcome[]) => void>();
  readonly #tests = new Map<number, (facts: PathFacts | null) => void>();

  constructor(parts: FeedPublisherParts) {
    this.#parts = parts;
    this.#server = net.createServer(socket => this.#accept(socket));
  }

  /** Listens on the socket (0600), whose folder only its owner may enter. */
  async start(): Promise<void> {
    this.#trust = await this.#parts.tunnelTrust();
    await listenOnSocket(this.#server, this.#parts.socketPath);
    this.#alive = setInterval(() => this.#broadcast({ type: 'alive' }), aliveMs);
  }

  async stop(): Promise<void> {
    if (this.#alive !== null) clearInterval(this.#alive);
    for (const relay of this.#relays) relay.close();
    for (const waiter of this.#waiters) waiter.done();
    if (!this.#server.listening) return;
    await new Promise<void>(resolve => this.#server.close(() => resolve()));
  }

  /** Relays that have got their snapshot. */
  get relayCount(): number {
    return [...this.#relays].filter(relay => relay.isSubscribed).length;
  }

  /** Hands changes to every relay; gives their sequence number. */
  publish(changes: readonly Change[]): number {
    this.#sequence += 1;
    this.#broadcast({ type: 'changes', sequence: this.#sequence, changes });
    return this.#sequence;
  }

  /** Resolves when every connected relay has applied a sequence number, or after `timeoutMs`. */
  applied(sequence: number, timeoutMs: number): Promise<void> {
    if (this.#isApplied(sequence)) return Promise.resolve();
    return new Promise(resolve => {
      const waiter = {
        sequence,
        done: () => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve();
        },
      };
      const timer = setTimeout(waiter.done, timeoutMs);
      this.#waiters.add(waiter);
    });
  }

  /** Asks for the tunnel's certificate and authorities again, and tells relays if they have changed. */
  async refreshTunnelTrust(): Promise<void> {
    const trust = await this.#parts.tunnelTrust();
    if (trust === this.#trust) return;
    this.#trust = trust;
    this.#trustSequence = this.publish([{ set: 'tunnelTrust', put: trust }]);
  }

  /** The same, and waits some seconds. @returns whether every connected relay has it in force. */
  async settleTunnelTrust(): Promise<boolean> {
    await this.refreshTunnelTrust();
    const sequence = this.#trustSequence;
    await this.applied(sequence, trustTimeoutMs);
    return this.#isApplied(sequence);
  }

  /** Tells relays what access tokens of our OpenID Provider are verified with. */
  publishTokenTrust(trust: TokenTrust): void {
    this.#tokenTrust = trust;
    this.publish([{ set: 'tokenTrust', put: trust }]);
  }

  /** Lets every relay answer a challenge; resolves when they do, or after `challengeMs`. */
  async putChallenge(challenge: ChallengeRecord): Promise<void> {
    this.#challenges.set(challenge.id, challenge);
    await this.applied(this.publish([{ set: 'challenges', put: challenge }]), challengeMs);
  }

  removeChallenge(id: string): void {
    if (this.#challenges.delete(id)) this.publish([{ set: 'challenges', remove: id }]);
  }

  /**
   * Lets a connector look at itself, through whichever relay has a tunnel of it.
   *
   * @returns null where none has, or the connector did not answer.
   */
  async examine(connectorId: string): Promise<DoctorReport | null> {
    const relays = [...this.#relays].filter(relay => relay.isSubscribed);
    const reports = relays.map(relay => this.#askToExamine(relay, connectorId));
    try {
      return await Promise.any(reports);
    } catch {
      return null;
    }
  }

  /** Rejects where there is no report to be had from this relay. */
  #askToExamine(relay: RelayConnection, connectorId: string): Promise<DoctorReport> {
    const question = this.#nextQuestion++;
    const { promise, resolve, reject } = Promise.withResolvers<DoctorReport>();
    const timer = setTimeout(() => reject(new Error('no answer')), examinationMs);
    this.#examinations.set(question, report =>
      report === null ? reject(new Error('no report')) : resolve(report),
    );
    relay.send({ type: 'examine', question, connectorId });
    return promise.finally(() => {
      clearTimeout(timer);
      this.#examinations.delete(question);
    });
  }

  /**
   * What relays saw last of the way to applications: by application, the latest of all relays.
   *
   * @param applicationIds At most {@link maxPathOutcomes}.
   */
  async reportOutcomes(applicationIds: readonly string[]): Promise<ReadonlyMap<string, PathOutcome>> {
    const relays = [...this.#relays].filter(relay => relay.isSubscribed);
    const all = await Promise.all(relays.map(relay => this.#askForOutcomes(relay, applicationIds)));
    const latest = new Map<string, PathOutcome>();
    for (const outcome of all.flat()) {
      const known = latest.get(outcome.applicationId);
      if (known === undefined || known.at < outcome.at) latest.set(outcome.applicationId, outcome);
    }
    return latest;
  }

  #askForOutcomes(
    relay: RelayConnection,
    applicationIds: readonly string[],
  ): Promise<readonly PathOutcome[]> {
    const question = this.#nextQuestion++;
    const { promise, resolve } = Promise.withResolvers<readonly PathOutcome[]>();
    const timer = setTimeout(() => resolve([]), outcomesMs);
    this.#outcomes.set(question, resolve);
    relay.send({ type: 'report-outcomes', question, applicationIds });
    return promise.finally(() => {
      clearTimeout(timer);
      this.#outcomes.delete(question);
    });
  }

  /**
   * Sends a request to an application and gives how it fared, as the first relay that publishes it saw it.
   *
   * @returns null where none does, or none answered.
   */
  async testPath(test: PathTest): Promise<PathFacts | null> {
    for (const relay of this.#relays) {
      const facts = relay.isSubscribed ? await this.#askToTest(relay, test) : null;
      if (facts !== null) return facts;
    }
    return null;
  }

  /** What relays know of the health of an application's backends; nothing where none publishes it. */
  async reportBackends(applicationId: string): Promise<readonly BackendReport[]> {
    const relays = [...this.#relays].filter(relay => relay.isSubscribed);
    const reports = await Promise.all(relays.map(relay => this.#askToReport(relay, applicationId)));
    return reports.flatMap(one => one ?? []);
  }

  #askToReport(relay: RelayConnection, applicationId: string): Promise<readonly BackendReport[] | null> {
    const question = this.#nextQuestion++;
    const { promise, resolve } = Promise.withResolvers<readonly BackendReport[] | null>();
    const timer = setTimeout(() => resolve(null), reportMs);
    this.#reports.set(question, resolve);
    relay.send({ type: 'report-backends', question, applicationId });
    return promise.finally(() => {
      clearTimeout(timer);
      this.#reports.delete(question);
    });
  }

  #askToTest(relay: RelayConnection, test: PathTest): Promise<PathFacts | null> {
    const question = this.#nextQuestion++;
    const { promise, resolve } = Promise.withResolvers<PathFacts | null>();
    const timer = setTimeout(() => resolve(null), pathTestMs);
    this.#tests.set(question, resolve);
    relay.send({ type: 'test', question, test });
    return promise.finally(() => {
      clearTimeout(timer);
      this.#tests.delete(question);
    });
  }

  #accept(socket: net.Socket): void {
    const relay = new RelayConnection(socket, {
      maxQueuedBytes: this.#parts.maxQueuedBytes ?? defaultMaxQueuedBytes,
      log: this.#parts.log,
      onHello: () => this.#subscribe(relay),
      onApplied: () => this.#settleWaiters(),
      onFindSession: (question, idHash, host) => this.#findSession(relay, question, idHash, host),
      onCredentialUsed: this.#parts.onCredentialUsed,
      onLeave: connectorId => this.#parts.tunnelEvents.leaving(connectorId),
      onExamined: (question, report) => this.#examinations.get(question)?.(report),
      onBackendsReported: (question, reports) => this.#reports.get(question)?.(reports),
      onOutcomesReported: (question, outcomes) => this.#outcomes.get(question)?.(outcomes),
      onTested: (question, facts) => this.#tests.get(question)?.(facts),
      onRenew: (question, request) => this.#renew(relay, question, request),
      onTunnelUp: tunnel => {
        this.#parts.presence.tunnelUp(relay, tunnel);
        this.#parts.tunnelEvents.tunnelUp(tunnel);
      },
      onTunnelProbe: (tunnelId, isAnswered) => {
        const tunnel = this.#parts.presence.tunnelProbe(relay, tunnelId, isAnswered);
        if (tunnel !== undefined) this.#parts.tunnelEvents.tunnelProbe(tunnel, isAnswered);
      },
      onRefused: refusal => this.#parts.tunnelEvents.refused(refusal),
      onAnchorsKept: (connectorId, anchors) => this.#parts.tunnelEvents.anchorsKept(connectorId, anchors),
      onTunnelDown: (tunnelId, reason) => {
        const tunnel = this.#parts.presence.tunnelDown(relay, tunnelId);
        if (tunnel !== undefined) this.#parts.tunnelEvents.tunnelDown(tunnel.connectorId, reason);
      },
      onClose: () => this.#lost(relay),
    });
    this.#relays.add(relay);
  }

  /** The snapshot and the relay's place among those who get changes come in one step of the source. */
  async #subscribe(relay: RelayConnection): Promise<void> {
    const trust = this.#trust;
    if (trust === null) return;
    try {
      await this.#parts.source.readState(state => {
        // The trust is read here and not above: it may have changed while this waited for its turn.
        const tunnelTrust = this.#trust ?? trust;
        const challenges = [...this.#challenges.values()];
        const tokenTrust = this.#tokenTrust === null ? {} : { tokenTrust: this.#tokenTrust };
        const full = { ...state, ...tokenTrust, tunnelTrust, challenges };
        relay.subscribe({ type: 'snapshot', sequence: this.#sequence, state: full });
      });
    } catch (error) {
      this.#parts.log.error({ err: error }, 'the state for a relay could not be read; it will ask again');
      relay.close();
    }
  }

  async #findSession(relay: RelayConnection, question: number, idHash: string, host: string): Promise<void> {
    try {
      await this.#parts.source.findSession(idHash, host, session =>
        relay.send({ type: 'session', question, session }),
      );
    } catch (error) {
      this.#parts.log.error({ err: error }, 'a session could not be looked up');
      relay.send({ type: 'session', question, session: null });
    }
  }

  async #renew(relay: RelayConnection, question: number, request: RenewalRequest): Promise<void> {
    try {
      relay.send({ type: 'renewed', question, answer: await this.#parts.renew(request) });
    } catch (error) {
      this.#parts.log.error({ err: error }, 'a trust certificate could not be renewed');
      const message = 'the service could not issue or record the certificate; its log says why';
      relay.send({ type: 'renewed', question, answer: { error: { code: 'unavailable', message } } });
    }
  }

  #broadcast(message: ControlMessage): void {
    const line = `${JSON.stringify(message)}\n`;
    for (const relay of this.#relays) if (relay.isSubscribed) relay.sendLine(line);
  }

  #lost(relay: RelayConnection): void {
    this.#relays.delete(relay);
    for (const connectorId of this.#parts.presence.relayLost(relay)) {
      this.#parts.tunnelEvents.tunnelDown(connectorId, relayLost);
    }
    this.#settleWaiters();
  }

  #settleWaiters(): void {
    for (const waiter of this.#waiters) if (this.#isApplied(waiter.sequence)) waiter.done();
  }

  #isApplied(sequence: number): boolean {
    return [...this.#relays].every(relay => !relay.isSubscribed || relay.appliedSequence >= sequence);
  }
}

/**
 * Listens on a Unix socket that only the owner can reach. A socket file that a killed process has left is removed: the
 * folder is ours alone, and one control process runs at a time.
 */
export async function listenOnSocket(server: net.Server, socketPath: string): Promise<void> {
  prepareSocketPath(socketPath);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => {
      server.off('error', reject);
      resolve();
    });
  });
  chmodSync(socketPath, 0o600);
}

/** Makes the folder of a socket (0700) and removes what a killed process has left at its path. */
export function prepareSocketPath(socketPath: string): void {
  mkdirSync(path.dirname(socketPath), { recursive: true, mode: 0o700 });
  rmSync(socketPath, { force: true });
}
