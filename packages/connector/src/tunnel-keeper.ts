import type { BackendConfiguration } from '@postern/protocol/tunnel/messages';
import { networkCapMs, pauseBefore, refusedCapMs } from './backoff.ts';
import type { CertificatePair } from './identity/certificate-store.ts';
import type { OpenOutcome } from './serve-stream.ts';
import { TunnelClient, type TunnelClientOptions, type TunnelError } from './tunnel-client.ts';

export interface TunnelKeeperOptions {
  /** How many tunnels to keep. */
  readonly count: number;
  /** What may be presented, in the order in which it is tried. */
  readonly pairs: readonly CertificatePair[];
  readonly tunnel: Omit<TunnelClientOptions, 'pair' | 'hooks'>;
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
  /** The pair in use was refused; another one is tried next. */
  onPairChanged(pair: CertificatePair, refused: CertificatePair): void;
}

/** A tunnel that lasted this long was a success; the attempts after it begin with the shortest pause again. */
const stableMs = 10_000;

/** The place of one tunnel: filled again whenever it is lost. */
interface Slot {
  failures: number;
  attemptedAt: number;
  timer: NodeJS.Timeout | null;
  current: TunnelClient | null;
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
  #pairIndex = 0;
  #isStarted = false;
  #isStopping = false;
  #onEmpty: (() => void) | null = null;

  constructor(options: TunnelKeeperOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, () => ({
      failures: 0,
      attemptedAt: 0,
      timer: null,
      current: null,
    }));
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
    const { hooks, tunnel, pairs } = this.#options;
    slot.timer = null;
    slot.attemptedAt = tunnel.now();
    const client: TunnelClient = new TunnelClient({
      ...tunnel,
      pair: pairs[this.#pairIndex]!,
      hooks: {
        onWelcome: () => this.#welcomed(slot, client),
        onConfigured: (_, backends) => hooks.onConfigured(backends),
        onStreamOpened: (_, outcome) => hooks.onStreamOpened(outcome),
        onGoAway: () => this.#replace(slot, client),
        onClose: (_, error) => this.#closed(slot, client, error),
      },
    });
    slot.current = client;
    this.#tunnels.add(client);
  }

  #welcomed(slot: Slot, client: TunnelClient): void {
    this.#options.hooks.onConnected(client);
    if (this.#isStarted || this.#isStopping) return;
    this.#isStarted = true;
    for (const other of this.#slots) if (other !== slot) this.#attempt(other);
  }

  // The replacement is under way before the old tunnel ends; what is in flight on that one goes on.
  #replace(slot: Slot, client: TunnelClient): void {
    if (this.#isStopping || slot.current !== client) return;
    this.#options.hooks.onReplaced(client);
    this.#attempt(slot);
  }

  #closed(slot: Slot, client: TunnelClient, error: TunnelError): void {
    this.#tunnels.delete(client);
    if (this.#tunnels.size === 0) this.#onEmpty?.();
    const { hooks } = this.#options;
    if (slot.current !== client || this.#isStopping) return hooks.onEnded(client);
    slot.current = null;
    slot.failures = livedMs(client) >= stableMs ? 1 : slot.failures + 1;
    if (isRefusedTrust(error)) this.#tryAnotherPair(client.pair);
    const pauseMs = this.#pauseAfter(slot, client, error);
    slot.timer = setTimeout(() => this.#attempt(slot), pauseMs);
    hooks.onFailed(client, error, pauseMs);
  }

  #pauseAfter(slot: Slot, client: TunnelClient, error: TunnelError): number {
    const { tunnel, random } = this.#options;
    // The life of a tunnel that was accepted is no part of a failed attempt.
    const spentMs = client.since > 0 ? 0 : tunnel.now() - slot.attemptedAt;
    const cap = error.code === 'refused' ? refusedCapMs : networkCapMs;
    return pauseBefore(slot.failures, cap, spentMs, random());
  }

  #tryAnotherPair(refused: CertificatePair): void {
    const { pairs, hooks } = this.#options;
    if (pairs.length === 1 || pairs[this.#pairIndex] !== refused) return;
    this.#pairIndex = (this.#pairIndex + 1) % pairs.length;
    hooks.onPairChanged(pairs[this.#pairIndex]!, refused);
  }
}

function livedMs(client: TunnelClient): number {
  return client.since === 0 ? 0 : Date.now() - client.since;
}

function isRefusedTrust(error: TunnelError): boolean {
  return error.code === 'refused' && error.refusal !== 'busy';
}
