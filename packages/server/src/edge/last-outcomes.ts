import type { PathOutcome } from '../feed/path-outcomes.ts';
import type { Exchange } from './exchange.ts';
import type { Hop } from './failure.ts';

/** What fails there says something about the way to the application; the rest is about a client or a decision. */
const hopsOfTheWay: ReadonlySet<Hop> = new Set(['tunnel', 'connector', 'backend']);

interface Failure {
  readonly code: string;
  readonly hop: string;
}

interface Outcome {
  readonly failure: Failure | null;
  readonly since: number;
  at: number;
}

/**
 * What became of the last request to each application: whether it can be reached, as people find it. Learnt from the
 * requests themselves, those of tests and probes included, so that nothing else has to be believed.
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
    this.learn(route.application.id, isFailed ? failure : null);
  }

  /** Takes down what a request to the application comes to now; null: to an answer. */
  learn(id: string, failure: Failure | null): void {
    const known = this.#ofApplications.get(id);
    const now = this.#now();
    if (known !== undefined && (known.failure?.code ?? null) === (failure?.code ?? null)) known.at = now;
    else this.#ofApplications.set(id, { failure: factsOf(failure), since: now, at: now });
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

/** Without the error's stack, which nobody needs that long. */
function factsOf(failure: Failure | null): Failure | null {
  return failure && { code: failure.code, hop: failure.hop };
}
