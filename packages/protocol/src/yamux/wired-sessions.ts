import type { YamuxError } from './errors.ts';
import type { YamuxTransport } from './output.ts';
import { type YamuxOptions, YamuxSession } from './session.ts';
import type { YamuxStream } from './stream.ts';

/** One direction of a connection in memory, which delivers when it is told to. For tests and the fuzzer. */
export class Wire implements YamuxTransport {
  readonly chunks: Buffer[] = [];
  queuedBytes = 0;
  totalBytes = 0;

  write(bytes: Buffer): void {
    this.chunks.push(Buffer.from(bytes));
    this.queuedBytes += bytes.length;
    this.totalBytes += bytes.length;
  }

  /** Takes up to `maxBytes` from the front; null when there is nothing. */
  take(maxBytes = Number.POSITIVE_INFINITY): Buffer | null {
    const first = this.chunks[0];
    if (first === undefined) return null;
    if (first.length <= maxBytes) this.chunks.shift();
    else this.chunks[0] = first.subarray(maxBytes);
    const bytes = first.length <= maxBytes ? first : first.subarray(0, maxBytes);
    this.queuedBytes -= bytes.length;
    return bytes;
  }
}

/** A session whose clock, turns and wire are in the test's hands. */
export class WiredSession {
  readonly wire = new Wire();
  readonly session: YamuxSession;
  readonly accepted: YamuxStream[] = [];
  readonly goAways: number[] = [];
  closedWith: YamuxError | null | undefined;
  nowMs = 0;
  #flush: (() => void) | null = null;

  constructor(role: 'client' | 'server', options: Partial<YamuxOptions> = {}) {
    this.session = new YamuxSession({
      role,
      transport: this.wire,
      now: () => this.nowMs,
      schedule: flush => {
        this.#flush = flush;
      },
      onStream: stream => this.accepted.push(stream),
      onGoAway: code => this.goAways.push(code),
      onClose: error => {
        this.closedWith = error;
      },
      ...options,
    });
  }

  get hasWork(): boolean {
    return this.#flush !== null;
  }

  /** The end of a turn of the event loop. */
  endTurn(): void {
    const flush = this.#flush;
    this.#flush = null;
    flush?.();
  }

  /** Gives the other side's session what is on this one's wire, up to `maxBytes`. False: there was nothing. */
  deliverTo(other: WiredSession, maxBytes?: number): boolean {
    const bytes = this.wire.take(maxBytes);
    if (bytes === null) return false;
    other.session.receive(bytes);
    this.session.transportDrained();
    return true;
  }
}

/** Runs turns until both sides are quiet. */
export function settle(a: WiredSession, b: WiredSession): void {
  let isBusy = true;
  while (isBusy) {
    isBusy = a.hasWork || b.hasWork;
    a.endTurn();
    b.endTurn();
    while (a.deliverTo(b)) isBusy = true;
    while (b.deliverTo(a)) isBusy = true;
  }
}
