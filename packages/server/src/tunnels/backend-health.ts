/** How long a connector is passed over after its first failure; each further one doubles it. */
const firstRestMs = 2_000;
const longestRestMs = 60_000;
/** Most failures that are remembered: whoever asks for hosts under a wildcard must not make a relay grow. */
const maxRemembered = 10_000;

/** Why a connector could not reach a backend, or why a probe of it failed. */
export interface BackendFailure {
  /** A code of the edge, `no_answer_in_time` or `unexpected_status`. */
  readonly code: string;
  readonly hop: string;
  readonly detail: string;
}

/** What is known against a pair of connector and backend. Times in milliseconds, monotonic. */
export interface Ailment {
  readonly since: number;
  /** Of the last failure. */
  readonly at: number;
  /** Null where nobody said why. */
  readonly failure: BackendFailure | null;
}

interface Failure {
  readonly since: number;
  at: number;
  failure: BackendFailure | null;
  restMs: number;
  /** Until when the connector is passed over for the backend. */
  until: number;
}

/**
 * Which connectors could not reach which backends lately, these told apart as pools of connections are: of a wildcard
 * each host is one. It is learnt from the connections that requests need, so that it is about the way that people's
 * requests take, and costs nothing while all is well. Probes, where an application has them, mark what they find unhealthy
 * until they find it healthy.
 */
export class BackendHealth {
  readonly #failures = new Map<string, Failure>();
  /** Found unhealthy by probes. */
  readonly #marked = new Map<string, Ailment>();
  /** Milliseconds, monotonic. */
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** How many pairs of connector and backend are being passed over. */
  get ailing(): number {
    const now = this.#now();
    let count = this.#marked.size;
    for (const [key, { until }] of this.#failures) if (until > now && !this.#marked.has(key)) count += 1;
    return count;
  }

  /** False: take another connector for this backend, or another backend, where there is one. */
  isWell(connectorId: string, pool: string): boolean {
    if (this.#failures.size === 0 && this.#marked.size === 0) return true;
    const key = keyOf(connectorId, pool);
    const failure = this.#failures.get(key);
    if (failure !== undefined && failure.until > this.#now()) return false;
    return !this.#marked.has(key);
  }

  /** What is known against a pair; null where nothing is. */
  find(connectorId: string, pool: string): Ailment | null {
    const key = keyOf(connectorId, pool);
    return this.#marked.get(key) ?? this.#failures.get(key) ?? null;
  }

  /** The connector opened a connection to the backend. */
  reached(connectorId: string, pool: string): void {
    if (this.#failures.size > 0) this.#failures.delete(keyOf(connectorId, pool));
  }

  /** The connector could not. */
  failed(connectorId: string, pool: string, reason: BackendFailure | null = null): void {
    const now = this.#now();
    const key = keyOf(connectorId, pool);
    const failure = this.#failures.get(key);
    if (failure === undefined) {
      if (this.#failures.size >= maxRemembered) this.#failures.delete(this.#failures.keys().next().value!);
      this.#failures.set(key, {
        since: now,
        at: now,
        failure: reason,
        restMs: firstRestMs,
        until: now + firstRestMs,
      });
      return;
    }
    failure.at = now;
    failure.failure = reason;
    // Requests that were already on their way fail with the first one, and are one failure with it.
    if (failure.until > now) return;
    failure.restMs = Math.min(failure.restMs * 2, longestRestMs);
    failure.until = now + failure.restMs;
  }

  /** Probes find the backend unhealthy through the connector. */
  mark(connectorId: string, pool: string, failure: BackendFailure): void {
    const key = keyOf(connectorId, pool);
    const now = this.#now();
    this.#marked.set(key, { since: this.#marked.get(key)?.since ?? now, at: now, failure });
  }

  /** Probes find it healthy, or there are none any more. */
  unmark(connectorId: string, pool: string): void {
    this.#marked.delete(keyOf(connectorId, pool));
  }
}

function keyOf(connectorId: string, pool: string): string {
  return `${connectorId} ${pool}`;
}
