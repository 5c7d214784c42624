/** The bucket of a rate holds one minute's worth. */
const minuteMs = 60_000;
/** Sums of fractions of a minute are not exact. */
const toleranceMs = 0.5;
/** So many of the oldest are looked at where room is needed: a flood must not make each newcomer walk the table. */
const looksForRoom = 16;

/** What somebody uses: requests under way, upgrades among them, and a rate. */
export class Load {
  open = 0;
  upgrades = 0;
  /** The table has let go of it; whoever kept it asks again. */
  isDropped = false;
  /** Until when what was taken is worth, as one request after the other at an even pace. Milliseconds. */
  #takenUntil = 0;

  /**
   * Takes one request out of a bucket that holds a minute's worth and fills evenly (GCRA: one number instead of a count
   * and a time).
   *
   * @param perMinute Requests a minute; 0: no limit.
   * @param now Milliseconds, monotonic.
   * @returns 0 where it was taken, else how many milliseconds it takes until there is one.
   */
  take(perMinute: number, now: number): number {
    const waitMs = this.untilNext(perMinute, now);
    if (waitMs === 0 && perMinute > 0) this.#takenUntil = this.#takenWith(perMinute, now);
    return waitMs;
  }

  /** As `take`, and takes nothing. */
  untilNext(perMinute: number, now: number): number {
    if (perMinute === 0) return 0;
    const excess = this.#takenWith(perMinute, now) - now - minuteMs;
    return excess > toleranceMs ? excess : 0;
  }

  #takenWith(perMinute: number, now: number): number {
    return Math.max(this.#takenUntil, now) + minuteMs / perMinute;
  }

  /** Nothing is under way, and a new one would be the same. */
  isForgettable(now: number): boolean {
    return this.open === 0 && this.#takenUntil <= now;
  }
}

/**
 * Loads by key, at most so many. Those that nobody would miss make room, in the order in which they were last needed;
 * where all are in use, newcomers share one.
 */
export class LoadTable {
  readonly #maxEntries: number;
  readonly #loads = new Map<string, Load>();
  readonly #shared = new Load();

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#loads.size;
  }

  /** @param now Milliseconds, monotonic. */
  get(key: string, now: number): Load {
    const known = this.#loads.get(key);
    if (known !== undefined) return known;
    this.#forgetOldest(now);
    if (this.#loads.size >= this.#maxEntries && !this.#makeRoom()) return this.#shared;
    const load = new Load();
    this.#loads.set(key, load);
    return load;
  }

  /** Two for each newcomer, so that the table shrinks when a flood is over. */
  #forgetOldest(now: number): void {
    for (let looked = 0; looked < 2; looked++) {
      const oldest = this.#loads.entries().next();
      if (oldest.done) return;
      const [key, load] = oldest.value;
      this.#loads.delete(key);
      if (load.isForgettable(now)) load.isDropped = true;
      else this.#loads.set(key, load);
    }
  }

  /** Forgets one with nothing under way, whatever is left of its rate. */
  #makeRoom(): boolean {
    for (let looked = 0; looked < looksForRoom; looked++) {
      const oldest = this.#loads.entries().next();
      if (oldest.done) return true;
      const [key, load] = oldest.value;
      this.#loads.delete(key);
      if (load.open === 0) {
        load.isDropped = true;
        return true;
      }
      this.#loads.set(key, load);
    }
    return false;
  }
}
