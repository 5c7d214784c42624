import type { ApplicationRecord } from '../feed/messages.ts';
import { affinityOf } from '../tunnels/affinity.ts';
import { backendIdOf, backendKeyOf, backendOf } from '../tunnels/wanted-backends.ts';

/** A backend as tunnels and connections know it. */
export interface BackendAddress {
  /** What the connector knows it by: the application's id, of a segment or of a further backend with more behind it. */
  readonly backendId: string;
  /** What the connector was configured to dial, as a tunnel names it; with the `*` of a wildcard. */
  readonly backendKey: string;
  /** The host to dial where the configured one is a wildcard; else null. */
  readonly dialHost: string | null;
  /** Whose connections may be used for it: those of one backend. */
  readonly pool: string;
}

/** One of several backends. */
export interface WeighedBackend extends BackendAddress {
  readonly origin: string;
  readonly weight: number;
  readonly isBackup: boolean;
  /** Requests that it has right now. */
  outstanding: number;
  /** What it is owed: grows by its weight with every choice, and shrinks by that of all when it is chosen. */
  owed: number;
}

/**
 * How well a backend can be reached: 0 not at all; 1 by a connector that could not reach it lately; 2 by one that can, but
 * on which this request has failed; 3 by one that can.
 */
export type Reach = 0 | 1 | 2 | 3;

/**
 * The backends of an application that has several, and whose turn it is. Shares follow the weights exactly, and evenly
 * over time: every backend is owed its weight with each request, and the one that is owed most is next (smooth weighted
 * round robin, as of nginx). Of backends with the same weight the one with the fewest requests takes its place.
 */
export class RouteBackends {
  /** The internal URL first. */
  readonly all: readonly WeighedBackend[];
  /** Of the choice that is being made. */
  readonly #ranks: number[];

  constructor(all: readonly WeighedBackend[]) {
    this.all = all;
    this.#ranks = all.map(() => 0);
  }

  /** Null for an application with one backend. */
  static of(application: ApplicationRecord): RouteBackends | null {
    const { backends, id } = application;
    if (backends === undefined) return null;
    const internal = new URL(application.internalUrl);
    const made = (url: URL, backendId: string, weight: number, isBackup: boolean): WeighedBackend => ({
      origin: url.origin,
      backendId,
      backendKey: backendKeyOf(backendOf(application, backendId, url)),
      dialHost: null,
      pool: backendId,
      weight,
      isBackup,
      outstanding: 0,
      owed: 0,
    });
    return new RouteBackends([
      made(internal, id, backends.internalUrlWeight, false),
      ...backends.further.map(({ origin, weight, isBackup }) =>
        made(new URL(origin), backendIdOf(id, origin), weight, isBackup),
      ),
    ]);
  }

  /**
   * Chooses the backend for a request: of those that can be reached best. Backups come after all others that are well,
   * those that this request has failed on after everybody who is well, and what nobody could reach lately comes last.
   *
   * @param failedOn Backends that the request has failed on.
   * @param mayReturn To one of them through another connector, where the others are backups.
   * @param client Who asks, where each client stays with one backend.
   * @returns null if nobody can serve any of them now.
   */
  choose(
    reachOf: (backend: WeighedBackend) => Reach,
    failedOn: ReadonlySet<WeighedBackend> | null,
    mayReturn: boolean,
    client: string | null,
  ): WeighedBackend | null {
    let best = 0;
    for (let at = 0; at < this.all.length; at++) {
      const backend = this.all[at]!;
      const hasFailed = failedOn?.has(backend) === true;
      const rank = rankOf(backend, reachOf(backend), hasFailed, mayReturn);
      this.#ranks[at] = rank;
      best = Math.max(best, rank);
    }
    if (best === 0) return null;
    return client === null ? this.#next(best) : this.#nearest(best, client);
  }

  #next(rank: number): WeighedBackend {
    let sum = 0;
    let next: WeighedBackend | null = null;
    for (let at = 0; at < this.all.length; at++) {
      if (this.#ranks[at] !== rank) continue;
      const backend = this.all[at]!;
      sum += backend.weight;
      backend.owed += backend.weight;
      if (next === null || backend.owed > next.owed) next = backend;
    }
    next!.owed -= sum;
    let idlest = next!;
    for (let at = 0; at < this.all.length; at++) {
      const backend = this.all[at]!;
      if (this.#ranks[at] !== rank || backend.weight !== next!.weight) continue;
      if (backend.outstanding < idlest.outstanding) idlest = backend;
    }
    return idlest;
  }

  /** The one that the client belongs to (rendezvous hashing with weights, Schindelhauer and Schomaker 2005). */
  #nearest(rank: number, client: string): WeighedBackend {
    let nearest: WeighedBackend | null = null;
    let highest = Number.NEGATIVE_INFINITY;
    for (let at = 0; at < this.all.length; at++) {
      if (this.#ranks[at] !== rank) continue;
      const backend = this.all[at]!;
      const share = (affinityOf(client, backend.origin) + 0.5) / 2 ** 32;
      const score = -backend.weight / Math.log(share);
      if (score <= highest) continue;
      nearest = backend;
      highest = score;
    }
    return nearest!;
  }
}

/** The higher, the better; 0: not to be had. */
function rankOf({ isBackup }: WeighedBackend, reach: Reach, hasFailed: boolean, mayReturn: boolean): number {
  if (reach === 0) return 0;
  if (reach === 1) return hasFailed ? 1 : isBackup ? 2 : 3;
  if (!hasFailed) return (isBackup ? 4 : 7) + reach;
  // It may be one connector that is cut off from a backend that is well.
  return mayReturn && reach === 3 ? (isBackup ? 5 : 8) : 4;
}
