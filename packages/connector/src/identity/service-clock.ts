import type { Log } from '../events/log.ts';

/** Differences below this are of no consequence: certificates are back-dated by two days. */
const toleratedMs = 5 * 60_000;

/**
 * The service's clock, as its welcomes tell it. Validity is the service's to judge, so that a wrong clock on this machine
 * renews nothing too early and nothing too late.
 */
export class ServiceClock {
  readonly #log: Log;
  /** The service's time, and this process's monotonic time at that moment. */
  #told: { readonly time: number; readonly at: number } | null = null;
  /** Minutes that were last logged, so that each welcome is not another line. */
  #loggedMinutes = 0;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Milliseconds since the epoch; this machine's own as long as the service has told nothing. */
  now(): number {
    if (this.#told === null) return Date.now();
    return this.#told.time + (performance.now() - this.#told.at);
  }

  /** @param time What the service has just said; null if it does not tell. */
  set(time: number | null): void {
    if (time === null) return;
    this.#told = { time, at: performance.now() };
    const aheadMs = Date.now() - time;
    const minutes = Math.abs(aheadMs) < toleratedMs ? 0 : Math.round(aheadMs / 60_000);
    const isKnown = Math.abs(minutes - this.#loggedMinutes) <= 1;
    this.#loggedMinutes = minutes;
    if (minutes === 0 || isKnown) return;
    this.#log({
      event: 'clock_wrong',
      message:
        `The clock of this machine is ${inWords(Math.abs(minutes))} ${minutes > 0 ? 'ahead of' : 'behind'} the ` +
        "service's. The connector works on; set the clock, by NTP for example, before certificates are refused over it.",
      aheadMs,
    });
  }
}

function inWords(minutes: number): string {
  if (minutes < 120) return `${minutes} minutes`;
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} hours`;
  return `${Math.round(minutes / 1440)} days`;
}
