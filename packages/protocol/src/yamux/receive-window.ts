import type { WindowBudget } from './window-budget.ts';

// Below this it is the event loops of both sides, and not the way between them, that takes the time: on loopback a
// window of 256 KiB carried 160 MB/s, one of 1 MiB 500.
const shortestRoundTripMs = 0.5;

// A sender that paces itself (BBR) and hears of each half of a window only when it was consumed sends no more than one
// window in two round trips, however much more it could. The bound has to lie well above that, or a window that is
// far too small stays so: at 80 ms, 1 MiB and 6 MB/s for ever.
const roundTripsToGrow = 4;

// From here on a window grows fourfold: each round trip in which it holds the sender back costs, and TCP, whose own
// window doubles, is not to find ours in its way. At 80 ms, 5 MB came at 18 MB/s in place of 12.
const longRoundTripMs = 5;

/** A stream's window towards us: how much the other side may send, and when it is told of more. */
export class ReceiveWindow {
  readonly #maxBytes: number;
  readonly #budget: WindowBudget;
  #sizeBytes: number;
  #leftBytes: number;
  #unreadBytes = 0;
  #consumedBytes = 0;
  #borrowedBytes = 0;
  #lastGrantAt: number;
  #previousGrantAt: number;

  constructor(sizeBytes: number, maxBytes: number, budget: WindowBudget, now: number) {
    this.#sizeBytes = sizeBytes;
    this.#leftBytes = sizeBytes;
    this.#maxBytes = maxBytes;
    this.#budget = budget;
    this.#lastGrantAt = now;
    this.#previousGrantAt = now;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Counts bytes that the other side sends. False: it has sent more than it may. */
  receive(bytes: number): boolean {
    if (bytes > this.#leftBytes) return false;
    this.#leftBytes -= bytes;
    this.#unreadBytes += bytes;
    return true;
  }

  /**
   * Counts bytes that the reader is done with, and says by how much the other side's view of the window is to be
   * widened now; 0 while less than half a window has been consumed.
   *
   * A window grows when all of it went by within four round trips: then it, and not the reader, is what limits the
   * sender. Not half of it: that much may arrive in one burst, however slow the way, and windows that are larger
   * than needed are queues in front of everybody else. The time counts from the grant before the last, so a slow
   * reader's window never grows.
   *
   * @param roundTripMs Null while unknown; the window does not grow then.
   * @throws RangeError if more is consumed than was received.
   */
  consume(bytes: number, now: number, roundTripMs: number | null): number {
    if (bytes > this.#unreadBytes) {
      throw new RangeError(`${bytes} bytes consumed where ${this.#unreadBytes} were unread`);
    }
    this.#unreadBytes -= bytes;
    this.#consumedBytes += bytes;
    if (this.#consumedBytes * 2 < this.#sizeBytes) return 0;
    const elapsedMs = now - this.#previousGrantAt;
    const isFast =
      roundTripMs !== null && elapsedMs < roundTripsToGrow * Math.max(roundTripMs, shortestRoundTripMs);
    const grown = isFast ? this.#grow(roundTripMs < longRoundTripMs ? 2 : 4) : 0;
    const delta = this.#consumedBytes + grown;
    this.#consumedBytes = 0;
    this.#leftBytes += delta;
    this.#previousGrantAt = this.#lastGrantAt;
    this.#lastGrantAt = now;
    return delta;
  }

  /** Gives back to the budget what was taken from it. */
  release(): void {
    this.#budget.give(this.#borrowedBytes);
    this.#borrowedBytes = 0;
  }

  #grow(factor: number): number {
    const wanted = Math.min(this.#sizeBytes * (factor - 1), this.#maxBytes - this.#sizeBytes);
    if (wanted <= 0) return 0;
    const granted = this.#budget.take(wanted);
    this.#borrowedBytes += granted;
    this.#sizeBytes += granted;
    return granted;
  }
}
