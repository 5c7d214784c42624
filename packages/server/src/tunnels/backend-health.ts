/** How long a connector is passed over after its first failure; each further one doubles it. */
const firstRestMs = 2_000;
const longestRestMs = 60_000;
/** What failed this long ago says nothing any more. */
const forgetMs = 600_000;
/** Above this number old entries are looked for and dropped. */
const manyEntries = 1_000;

interface Failure {
  restMs: number;
  /** Until when the connector is passed over for the backend. */
  until: number;
}

/**
 * Which connectors could not reach which backends lately. It is learnt from the connections that requests need, so that
 * it is about the way that people's requests take, and costs nothing while all is well.
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
  isWell(connectorId: string, backendId: string): boolean {
    if (this.#failures.size === 0) return true;
    const failure = this.#failures.get(keyOf(connectorId, backendId));
    return failure === undefined || failure.until <= this.#now();
  }

  /** The connector opened a connection to the backend. */
  reached(connectorId: string, backendId: string): void {
    if (this.#failures.size > 0) this.#failures.delete(keyOf(connectorId, backendId));
  }

  /** The connector could not. */
  failed(connectorId: string, backendId: string): void {
    const now = this.#now();
    const key = keyOf(connectorId, backendId);
    const failure = this.#failures.get(key);
    if (failure === undefined) {
      if (this.#failures.size >= manyEntries) this.#dropOld(now);
      this.#failures.set(key, { restMs: firstRestMs, until: now + firstRestMs });
      return;
    }
    // Requests that were already on their way fail with the first one, and are one failure with it.
    if (failure.until > now) return;
    failure.restMs = Math.min(failure.restMs * 2, longestRestMs);
    failure.until = now + failure.restMs;
  }

  #dropOld(now: number): void {
    for (const [key, { until }] of this.#failures) if (until + forgetMs < now) this.#failures.delete(key);
  }
}

function keyOf(connectorId: string, backendId: string): string {
  return `${connectorId} ${backendId}`;
}
