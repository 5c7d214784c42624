import type { BackendConfiguration } from '@postern/protocol/tunnel/messages';
import { networkCapMs, pauseBefore, refusedCapMs, unansweredCapMs } from './backoff.ts';
import type { CertificatePair } from './identity/certificate-store.ts';
import type { Identity } from './identity/identity.ts';
import type { ServiceSettings } from './identity/service-settings.ts';
import type { OpenOutcome } from './serve-stream.ts';
import { TunnelClient, type TunnelClientOptions, type TunnelError } from './tunnel-client.ts';

export interface TunnelKeeperOptions {
  /** How many tunnels to keep. */
  readonly count: number;
  /** The service, and what may be presented there, in the order in which it is tried. */
  readonly identity: Pick<Identity, 'service' | 'pairs'>;
  readonly tunnel: Omit<TunnelClientOptions, 'service' | 'machineName' | 'pair' | 'hooks'>;
  /** In [0, 1). */
  readonly random: () => number;
  readonly hooks: TunnelKeeperHooks;
}

export interface TunnelKeeperHooks {
  onConnected(tunnel: TunnelClient): void;
  /** An attempt failed, or a live tunnel was lost; the next attempt follows after `pauseMs`. */
  onFailed(tunnel: TunnelClient, error: TunnelError, pauseMs: number): void;
  onReplaced(tunnel: TunnelClient): void;
  onEnded(tunnel: TunnelClient): void;
  onConfigured(backends: readonly BackendConfiguration[]): void;
  onStreamOpened(outcome: OpenOutcome): void;
  /** The service says which authorities may issue its certificate; nothing of it has been looked at. Absent: ignored. */
  onAnchors?(tunnel: TunnelClient, announced: unknown): void;
  /** The pair in use was refused; another one is tried next. */
  onPairChanged(pair: CertificatePair, refused: CertificatePair): void;
  /** The service says that the certificate has expired, and no other pair was accepted. */
  onExpired(pair: CertificatePair): void;
}

/** A tunnel that lasted this long was a success; the attempts after it begin with the shortest pause again. */
const stableMs = 10_000;
/** An expired certificate does not become valid by itself; a wrong clock may be set right. */
const expiredPauseMs = 3_600_000;
/**
 * Handshakes that are given up are work for nothing: a service that has more connectors to take back than it can within
 * the patience of an attempt would take back none. So what takes connections has twice the time of a connection to answer,
 * and twice as long again after each attempt that it did not. What is lost meanwhile, TCP sends again.
 */
const maxDoublings = 3;

/** The place of one tunnel: filled again whenever it is lost. */
interface Slot {
  failures: number;
  /** Attempts in a row whose connection was taken and not answered in time. */
  unanswered: number;
  attemptedAt: number;
  timer: NodeJS.Timeout | null;
  current: TunnelClient | null;
  /** Tunnels with an earlier identity: they drain when the current one can carry requests. */
  readonly outgoing: Set<TunnelClient>;
}

/** A tunnel that shows whether the service accepts a pair; it belongs to no place yet. */
interface Trial {
  readonly client: TunnelClient;
  isConfigured: boolean;
  readonly fail: (error: TunnelError) => void;
}

/**
 * Keeps a number of tunnels. The second place is filled once the first tunnel was accepted, so that a connector that
 * is refused asks once at a time.
 */
export class TunnelKeeper {
  readonly #options: TunnelKeeperOptions;
  readonly #slots: Slot[];
  /** Every tunnel that is not closed; more than there are places while replaced ones drain. */
  readonly #tunnels = new Set<TunnelClient>();
  #service: ServiceSettings;
  #pairs: readonly CertificatePair[];
  #pairIndex = 0;
  /** Pairs that were refused since the service last accepted one. */
  readonly #refused = new Set<CertificatePair>();
  #trial: Trial | null = null;
  #isStarted = false;
  #isStopping = false;
  #onEmpty: (() => void) | null = null;

  constructor(options: TunnelKeeperOptions) {
    this.#options = options;
    this.#service = options.identity.service;
    this.#pairs = options.identity.pairs;
    this.#slots = Array.from({ length: options.count }, () => ({
      failures: 0,
      unanswered: 0,
      attemptedAt: 0,
      timer: null,
      current: null,
      outgoing: new Set(),
    }));
  }

  /** What is presented now. */
  get pair(): CertificatePair {
    return this.#pairs[this.#pairIndex]!;
  }

  /** Tunnels that the service has accepted and that are not ending. */
  get live(): TunnelClient[] {
    return [...this.#tunnels].filter(tunnel => tunnel.isLive);
  }

  /** Data streams in flight. */
  get streamCount(): number {
    let sum = 0;
    for (const tunnel of this.#tunnels) sum += tunnel.streamCount;
    return sum;
  }

  start(): void {
    this.#attempt(this.#slots[0]!);
  }

  /**
   * Opens a tunnel with another pair beside the present ones; resolves when the service has accepted it. It stays until
   * {@link adopt} gives it a place, or {@link dropTrial} ends it.
   *
   * @throws TunnelError
   */
  tryPair(pair: CertificatePair): Promise<void> {
    this.dropTrial();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const client: TunnelClient = this.#open(pair, {
      onWelcome: resolve,
      onConfigured: () => {
        if (this.#trial?.client === client) this.#trial.isConfigured = true;
      },
    });
    this.#trial = { client, isConfigured: false, fail: reject };
    return promise;
  }

  /** Ends the tunnel of {@link tryPair}, unless it has a place already. */
  dropTrial(): void {
    const trial = this.#trial;
    this.#trial = null;
    trial?.client.drain();
  }

  /**
   * Uses another identity from now on. Each tunnel gets a successor with its first pair; it drains once that one can carry
   * requests, and not before.
   */
  adopt({ service, pairs }: Pick<Identity, 'service' | 'pairs'>): void {
    this.#service = service;
    this.#pairs = pairs;
    this.#pairIndex = 0;
    this.#refused.clear();
    if (this.#isStopping) return;
    let trial = this.#trial?.client.pair === pairs[0] ? this.#trial : null;
    this.#trial = trial === null ? this.#trial : null;
    for (const slot of this.#slots) {
      // A place that nobody has tried to fill yet waits for the first tunnel.
      if (slot.current === null && slot.timer === null) continue;
      slot.failures = 0;
      if (slot.timer !== null) clearTimeout(slot.timer);
      slot.timer = null;
      if (slot.current !== null) slot.outgoing.add(slot.current);
      slot.current = trial?.client ?? null;
      if (trial === null) this.#attempt(slot);
      else if (trial.isConfigured) this.#drainOutgoing(slot);
      trial = null;
    }
  }

  /** Uses other anchors for the tunnels to come; those that are up were judged by what held then, and stay. */
  trust(service: ServiceSettings): void {
    this.#service = service;
  }

  /** Takes no more streams and resolves when those in flight have ended, or at once when `signal` aborts. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#isStopping = true;
    for (const slot of this.#slots) if (slot.timer) clearTimeout(slot.timer);
    const empty = new Promise<void>(resolve => {
      this.#onEmpty = resolve;
    });
    const onAbort = () => this.close();
    signal.addEventListener('abort', onAbort, { once: true });
    for (const tunnel of [...this.#tunnels]) tunnel.drain();
    if (this.#tunnels.size > 0) await empty;
    signal.removeEventListener('abort', onAbort);
  }

  /** Ends all tunnels at once. */
  close(): void {
    this.#isStopping = true;
    for (const slot of this.#slots) if (slot.timer) clearTimeout(slot.timer);
    for (const tunnel of [...this.#tunnels]) tunnel.close();
  }

  #attempt(slot: Slot): void {
    slot.timer = null;
    slot.attemptedAt = this.#options.tunnel.now();
    const patience = 2 ** Math.min(slot.unanswered + 1, maxDoublings);
    slot.current = this.#open(
      this.pair,
      { onWelcome: () => this.#welcomed(), onConfigured: () => {} },
      patience,
    );
  }

  /** @param more What is done beside what is done for every tunnel. */
  #open(
    pair: CertificatePair,
    more: { readonly onWelcome: () => void; readonly onConfigured: () => void },
    patience = 1,
  ): TunnelClient {
    const { hooks, tunnel } = this.#options;
    const service = this.#service;
    const client: TunnelClient = new TunnelClient({
      ...tunnel,
      service,
      machineName: service.machineName,
      pair,
      patience,
      hooks: {
        onWelcome: () => {
          this.#refused.clear();
          hooks.onConnected(client);
          more.onWelcome();
        },
        onConfigured: (_, backends) => {
          more.onConfigured();
          const slot = this.#slotOf(client);
          if (slot !== undefined) this.#drainOutgoing(slot);
          hooks.onConfigured(backends);
        },
        onStreamOpened: (_, outcome) => hooks.onStreamOpened(outcome),
        onAnchors: (_, announced) => hooks.onAnchors?.(client, announced),
        onGoAway: () => this.#replace(client),
        onClose: (_, error) => this.#closed(client, error),
      },
    });
    this.#tunnels.add(client);
    return client;
  }

  /** The second place and those after it are filled once the service has accepted this connector. */
  #welcomed(): void {
    if (this.#isStarted || this.#isStopping) return;
    this.#isStarted = true;
    for (const slot of this.#slots) if (slot.current === null && slot.timer === null) this.#attempt(slot);
  }

  /** The place of a tunnel; undefined for one that is tried, or has a successor. */
  #slotOf(client: TunnelClient): Slot | undefined {
    return this.#slots.find(slot => slot.current === client);
  }

  #drainOutgoing(slot: Slot): void {
    for (const client of slot.outgoing) client.drain();
    slot.outgoing.clear();
  }

  // The replacement is under way before the old tunnel ends; what is in flight on that one goes on.
  #replace(client: TunnelClient): void {
    const slot = this.#slotOf(client);
    if (this.#isStopping || slot === undefined) return;
    this.#options.hooks.onReplaced(client);
    this.#attempt(slot);
  }

  #closed(client: TunnelClient, error: TunnelError): void {
    this.#tunnels.delete(client);
    if (this.#tunnels.size === 0) this.#onEmpty?.();
    if (this.#trial?.client === client) {
      this.#trial.fail(error);
      this.#trial = null;
    }
    const { hooks } = this.#options;
    const slot = this.#slotOf(client);
    for (const { outgoing } of this.#slots) outgoing.delete(client);
    if (slot === undefined || this.#isStopping) return hooks.onEnded(client);
    slot.current = null;
    slot.failures = livedMs(client) >= stableMs ? 1 : slot.failures + 1;
    slot.unanswered = wasUnanswered(client, error) ? slot.unanswered + 1 : 0;
    if (isRefusedTrust(error)) this.#tryAnotherPair(client.pair);
    const pauseMs = this.#pauseAfter(slot, client, error);
    slot.timer = setTimeout(() => this.#attempt(slot), pauseMs);
    hooks.onFailed(client, error, pauseMs);
    if (this.#isExpired(error)) hooks.onExpired(client.pair);
  }

  #pauseAfter(slot: Slot, client: TunnelClient, error: TunnelError): number {
    const { tunnel, random } = this.#options;
    // The life of a tunnel that was accepted is no part of a failed attempt.
    const spentMs = client.since > 0 ? 0 : tunnel.now() - slot.attemptedAt;
    if (this.#isExpired(error)) return Math.round(expiredPauseMs * (0.9 + random() / 5));
    if (slot.unanswered > 0) return pauseBefore(slot.failures, unansweredCapMs, 0, random());
    const cap = error.code === 'refused' ? refusedCapMs : networkCapMs;
    return pauseBefore(slot.failures, cap, spentMs, random());
  }

  /** The service has refused every pair there is, the last one as expired. */
  #isExpired(error: TunnelError): boolean {
    return error.refusal === 'expired' && this.#pairs.every(pair => this.#refused.has(pair));
  }

  #tryAnotherPair(refused: CertificatePair): void {
    this.#refused.add(refused);
    if (this.#pairs.length === 1 || this.pair !== refused) return;
    this.#pairIndex = (this.#pairIndex + 1) % this.#pairs.length;
    this.#options.hooks.onPairChanged(this.pair, refused);
  }
}

function livedMs(client: TunnelClient): number {
  return client.since === 0 ? 0 : Date.now() - client.since;
}

function wasUnanswered(client: TunnelClient, error: TunnelError): boolean {
  return error.code === 'unreachable' && client.hasConnection;
}

function isRefusedTrust(error: TunnelError): boolean {
  return error.code === 'refused' && error.refusal !== 'busy';
}
