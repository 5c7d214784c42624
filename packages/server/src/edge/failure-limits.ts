/** How often something went wrong for one key, and until when it is refused for that. Times in milliseconds. */
export interface FailureCount {
  readonly count: number;
  readonly windowStartedAt: number;
  readonly blockedUntil: number | null;
}

export interface FailureLimit {
  readonly maxFailures: number;
  /** Also the longest wait, in milliseconds. */
  readonly windowMs: number;
}

/** The first wait; every further failure doubles it. */
const firstWaitMs = 30_000;

/** Whether an attempt is refused without looking at it. */
export function isBlocked(known: FailureCount | undefined, now: number): boolean {
  return known?.blockedUntil != null && known.blockedUntil > now;
}

/**
 * Counts an attempt as failed before it is looked at: counting afterwards would let as many guesses through as fit into
 * the time of one check. A success takes its count back.
 */
export function countAttempt(
  known: FailureCount | undefined,
  { maxFailures, windowMs }: FailureLimit,
  now: number,
): FailureCount {
  const current = known !== undefined && !isStale(known, windowMs, now) ? known : undefined;
  const count = (current?.count ?? 0) + 1;
  const excess = count - maxFailures;
  return {
    count,
    windowStartedAt: current?.windowStartedAt ?? now,
    blockedUntil: excess < 0 ? null : now + Math.min(firstWaitMs * 2 ** Math.min(excess, 20), windowMs),
  };
}

/** Whether a count no longer matters: a whole window without an attempt has passed since it began or last refused. */
export function isStale(
  { windowStartedAt, blockedUntil }: FailureCount,
  windowMs: number,
  now: number,
): boolean {
  return Math.max(windowStartedAt, blockedUntil ?? 0) + windowMs <= now;
}
