import type { ServerHttp2Session } from 'node:http2';
import type { WindowBudget } from '@postern/protocol/yamux/window-budget';

/** What every stream may send unasked. A thousand slow uploads hold no more of it than the edge may hold in all. */
export const baseWindowBytes = 256 * 1024;
/**
 * What the uploads of one connection may hold together in grown windows; 100 MB/s over 80 ms. Half of the connection's own
 * window: whoever waits for a backend that reads nothing must not keep the other streams from going on.
 */
const maxGrownBytes = 8 * 1024 * 1024;
/** So much of a content shows that the round trip is worth knowing. */
const measureFromBytes = 64 * 1024;
// As in the tunnel's windows (yamux/receive-window.ts), which say why.
const roundTripsToGrow = 4;
const shortestRoundTripMs = 0.5;
/** Of those who take longer to answer a ping, it is not the way that takes it. */
const longestRoundTripMs = 1_000;
const growthFactor = 4;

/** How a stream's content comes. */
export interface UploadProgress {
  /** Since the last whole window of it. */
  bytes: number;
  /** When that was, in milliseconds of the connection's clock. */
  since: number;
  /** Since the last sweep. */
  recentBytes: number;
}

/**
 * The windows of the streams of one HTTP/2 connection towards us. They begin small, grow while a content goes by as fast as
 * the window lets it (RFC 9113 §6.9.2 changes those of all streams at a time), and are small again when nobody needs them
 * or a backend falls behind.
 */
export class UploadWindows {
  readonly #session: ServerHttp2Session;
  readonly #budget: WindowBudget;
  #sizeBytes = baseWindowBytes;
  #borrowedBytes = 0;
  #uploads = 0;
  #roundTripMs = Number.POSITIVE_INFINITY;
  #isMeasured = false;

  constructor(session: ServerHttp2Session, budget: WindowBudget) {
    this.#session = session;
    this.#budget = budget;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Counts content that has come. */
  count(progress: UploadProgress, bytes: number, now: number): void {
    progress.bytes += bytes;
    progress.recentBytes += bytes;
    if (!this.#isMeasured && progress.bytes >= measureFromBytes) this.#measure();
    if (progress.bytes < this.#sizeBytes) return;
    const elapsedMs = now - progress.since;
    progress.bytes = 0;
    progress.since = now;
    // Infinity until the round trip is known, which must let nothing grow.
    if (!Number.isFinite(this.#roundTripMs)) return;
    if (elapsedMs < roundTripsToGrow * Math.max(this.#roundTripMs, shortestRoundTripMs)) this.#grow();
  }

  /**
   * Called about once a second.
   *
   * @param uploads Streams whose content has come since the last time.
   * @param isStuck Some of it waits for a backend that falls behind.
   */
  sweep(uploads: number, isStuck: boolean): void {
    this.#uploads = uploads;
    const most = uploads === 0 || isStuck ? baseWindowBytes : this.#limit();
    if (this.#sizeBytes > most) this.#resize(most);
  }

  /** The connection is gone. */
  release(): void {
    this.#budget.give(this.#borrowedBytes);
    this.#borrowedBytes = 0;
  }

  #limit(): number {
    return Math.max(baseWindowBytes, Math.floor(maxGrownBytes / Math.max(1, this.#uploads)));
  }

  #measure(): void {
    this.#isMeasured = true;
    this.#session.ping((error, durationMs) => {
      if (error === null) this.#roundTripMs = Math.min(durationMs, longestRoundTripMs);
    });
  }

  #grow(): void {
    const wanted = Math.min(this.#sizeBytes * growthFactor, this.#limit()) - this.#sizeBytes;
    // What was said last has not arrived yet: it has had no chance to be too little.
    if (wanted <= 0 || this.#session.pendingSettingsAck) return;
    const granted = this.#budget.take(wanted);
    if (granted === 0) return;
    this.#borrowedBytes += granted;
    this.#announce(this.#sizeBytes + granted);
  }

  #resize(bytes: number): void {
    if (this.#session.pendingSettingsAck) return;
    const rest = Math.min(this.#borrowedBytes, bytes - baseWindowBytes);
    this.#budget.give(this.#borrowedBytes - rest);
    this.#borrowedBytes = rest;
    this.#announce(bytes);
  }

  #announce(bytes: number): void {
    if (this.#session.destroyed) return;
    this.#sizeBytes = bytes;
    this.#session.settings({ initialWindowSize: bytes });
  }
}
