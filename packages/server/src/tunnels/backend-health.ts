/** How long a connector is passed over after its first failure; each further one doubles it. */
const firstRestMs = 2_000;
const longestRestMs = 60_000;
/** Most failures that are remembered: whoever asks for hosts under a wildcard must not make a relay grow. */
const maxRemembered = 10_000;

interface Failure {
  restMs: number;
  /** Until when the connector is passed over for the backend. */
  until: number;
}

/**
 * Which connectors could not reach which backends lately, these told apart as pools of connections are: of a wildcard
 * each host is one. It is learnt from the connections that requests need, so that it is about the way that people's
 * requests take, and costs nothing while all is well.
 */
export class BackendHealth {
  readonly #failures = new Map<string, Failure>();
  /** Milliseconds, monotonic. */
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** How many pairs of connector and backend are being passed over. */
  get ailing(): number {
    const now = this.#now();
    let count = 0;
    for (const { until } of this.#failures.values()) if (until > now) count += 1;
    return count;
  }

  /** False: take another connector for this backend where there is one. */
  isWell(connectorId: string, pool: string): boolean {
    if (this.#failures.size === 0) return true;
    const failure = this.#failures.get(keyOf(connectorId, pool));
    return failure === undefined || failure.until <= this.#now();
  }

  /** The connector opened a connection to the backend. */
  reached(connectorId: string, pool: string): void {
    if (this.#failures.size > 0) this.#failures.delete(keyOf(connectorId, pool));
  }

  /** The connector could not. */
  failed(connectorId: string, pool: string): void {
    const now = this.#now();
    const key = keyOf(connectorId, pool);
    const failure = this.#failures.get(key);
    if (failure === undefined) {
      if (this.#failures.size >= maxRemembered) this.#failures.delete(this.#failures.keys().next().value!);
      this.#failures.set(key, { restMs: firstRestMs, until: now + firstRestMs });
      return;
    }
    // Requests that were already on their way fail with the first one, and are one failure with it.
    if (failure.until > now) return;
    failure.restMs = Math.min(failure.restMs * 2, longestRestMs);
    failure.until = now + failure.restMs;
  }
}

function keyOf(connectorId: string, pool: string): string {
  return `${connectorId} ${pool}`;
}
