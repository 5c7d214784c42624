import type { TunnelRefusal } from '../feed/messages.ts';

/** A connector that is refused tries again every few seconds; that is no news. */
const repeatMs = 60_000;
/** Most connectors that are remembered; beyond, the oldest is forgotten, and told of once more. */
const maxRemembered = 10_000;

/** Which refusals were told of lately, so that a connector that tries and tries makes no work beyond its handshakes. */
export class RecentRefusals {
  readonly #now: () => number;
  readonly #told = new Map<string, { readonly reason: string; readonly at: number }>();

  /** @param now Milliseconds, monotonic. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether this refusal is to be told; then it is not, for a minute. */
  isNew({ connectorId, reason }: Pick<TunnelRefusal, 'connectorId' | 'reason'>): boolean {
    const last = this.#told.get(connectorId);
    const at = this.#now();
    if (last !== undefined && last.reason === reason && at - last.at < repeatMs) return false;
    this.#told.delete(connectorId);
    if (this.#told.size >= maxRemembered) this.#told.delete(this.#told.keys().next().value!);
    this.#told.set(connectorId, { reason, at });
    return true;
  }
}
