/**
 * Calls many functions at the same period, in few turns of the event loop.
 *
 * A timer of its own for each of a thousand tunnels wakes the process for every one of them, and once more for every
 * answer; called a few dozen at a time, their pings leave together and their answers are read together.
 */
export class Heartbeat {
  readonly #slotMs: number;
  readonly #slots: ReadonlyArray<Set<() => void>>;
  #timer: NodeJS.Timeout | null = null;
  #count = 0;
  #next = 0;

  /** @param slots Into how many turns the calls of one period are divided, so that none of them is long. */
  constructor(periodMs: number, slots: number) {
    this.#slotMs = periodMs / slots;
    this.#slots = Array.from({ length: slots }, () => new Set());
  }

  /** Calls `beat` once in every period, for the first time within one. Returns how to end that; may be called twice. */
  add(beat: () => void): () => void {
    const emptiest = this.#slots.reduce((a, b) => (b.size < a.size ? b : a));
    emptiest.add(beat);
    this.#count += 1;
    this.#timer ??= setInterval(() => this.#beat(), this.#slotMs);
    return () => this.#remove(emptiest, beat);
  }

  #remove(slot: Set<() => void>, beat: () => void): void {
    if (!slot.delete(beat)) return;
    this.#count -= 1;
    if (this.#count > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #beat(): void {
    const slot = this.#slots[this.#next]!;
    this.#next = (this.#next + 1) % this.#slots.length;
    for (const beat of slot) beat();
  }
}
