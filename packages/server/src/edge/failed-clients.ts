import { countAttempt, type FailureCount, type FailureLimit, isBlocked } from './failure-limits.ts';

/** Addresses that are remembered at a time; of more the oldest is forgotten. */
const maxAddresses = 10_000;

/**
 * Counts wrong credentials for each address, as sign-in counts wrong passwords. In this relay's memory: nobody guesses 256
 * bits, so this is there to spare the work and to end the noise, and needs no common account of all nodes.
 */
export class FailedClients {
  readonly #limit: FailureLimit;
  readonly #now: () => number;
  readonly #counts = new Map<string, FailureCount>();

  /** @param now Milliseconds since the epoch. */
  constructor(limit: FailureLimit, now: () => number) {
    this.#limit = limit;
    this.#now = now;
  }

  /** For how many seconds nothing that an address presents is looked at; 0 where it is. */
  waitSeconds(addressKey: string): number {
    const known = this.#counts.get(addressKey);
    const now = this.#now();
    if (known === undefined || !isBlocked(known, now)) return 0;
    return Math.ceil((known.blockedUntil! - now) / 1_000);
  }

  count(addressKey: string): void {
    const known = this.#counts.get(addressKey);
    this.#counts.delete(addressKey);
    if (this.#counts.size >= maxAddresses) this.#counts.delete(this.#counts.keys().next().value!);
    this.#counts.set(addressKey, countAttempt(known, this.#limit, this.#now()));
  }
}
