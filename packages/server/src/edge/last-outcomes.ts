import type { PathOutcome } from '../feed/path-outcomes.ts';
import type { Exchange } from './exchange.ts';
import type { Hop } from './failure.ts';

/** What fails there says something about the way to the application; the rest is about a client or a decision. */
const hopsOfTheWay: ReadonlySet<Hop> = new Set(['tunnel', 'connector', 'backend']);

interface Outcome {
  failure: { readonly code: string; readonly hop: string } | null;
  since: number;
  at: number;
}

/**
 * What became of the last request to each application: whether it can be reached, as people find it. Learnt from the
 * requests themselves, those of tests included, so that nothing else has to be believed.
 */
export class LastOutcomes {
  readonly #ofApplications = new Map<string, Outcome>();
  /** Milliseconds since the epoch. */
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Takes down how an exchange ended; one that its client gave up says nothing. */
  note({ route, failure, status }: Exchange): void {
    if (route.backend !== 'connector') return;
    const isFailed = failure !== null && hopsOfTheWay.has(failure.hop);
    if (!isFailed && (failure !== null || status === 0)) return;
    const { id } = route.application;
    const known = this.#ofApplications.get(id);
    const now = this.#now();
    if (known === undefined) {
      this.#ofApplications.set(id, { failure: isFailed ? factsOf(failure) : null, since: now, at: now });
      return;
    }
    known.at = now;
    if ((known.failure?.code ?? null) === (isFailed ? failure.code : null)) return;
    known.failure = isFailed ? factsOf(failure) : null;
    known.since = now;
  }

  /** Applications that nothing was seen of are left out. */
  report(applicationIds: readonly string[]): PathOutcome[] {
    return applicationIds.flatMap(applicationId => {
      const outcome = this.#ofApplications.get(applicationId);
      return outcome === undefined ? [] : [{ applicationId, ...outcome }];
    });
  }

  /** Forgets applications that are not published any more. */
  keep(published: ReadonlyMap<string, unknown>): void {
    for (const id of this.#ofApplications.keys()) if (!published.has(id)) this.#ofApplications.delete(id);
  }
}

function factsOf({ code, hop }: { readonly code: string; readonly hop: string }) {
  return { code, hop };
}
