/** Most that is waited between two attempts while the network fails. */
export const networkCapMs = 4_000;
/** Most that is waited while the service takes connections, but has no time to answer them. */
export const unansweredCapMs = 15_000;
/** Most that is waited while the service says busy, or refuses trust. */
export const refusedCapMs = 60_000;

const firstMs = 500;

/**
 * How long to wait before an attempt: exponential with full jitter, so that a thousand connectors that lost the same
 * service do not come back at the same moment.
 *
 * The pause counts from the beginning of the failed attempt. A link that comes back just after an attempt's last packet
 * was lost is then noticed within the cap, instead of the attempt's own patience plus the cap.
 *
 * @param failures Attempts that have failed in a row, 1 or more.
 * @param spentMs What the failed attempt itself took.
 * @param random In [0, 1).
 */
export function pauseBefore(failures: number, capMs: number, spentMs: number, random: number): number {
  const ceiling = Math.min(capMs, firstMs * 2 ** Math.min(failures - 1, 20));
  return Math.max(0, Math.round(ceiling * random - spentMs));
}
