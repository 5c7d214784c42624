/**
 * What the receive windows of a process may grow to together, beyond the window that every stream begins with
 * (which the protocol grants to the other side unasked, so that no budget can withhold it).
 */
export class WindowBudget {
  #leftBytes: number;

  /** @param totalBytes Default 256 MiB. */
  constructor(totalBytes = 256 * 1024 * 1024) {
    this.#leftBytes = totalBytes;
  }

  /** Takes up to `bytes` and says how many it was given. */
  take(bytes: number): number {
    const granted = Math.min(bytes, this.#leftBytes);
    this.#leftBytes -= granted;
    return granted;
  }

  /** Gives back what `take` has granted. */
  give(bytes: number): void {
    this.#leftBytes += bytes;
  }

  get leftBytes(): number {
    return this.#leftBytes;
  }
}
