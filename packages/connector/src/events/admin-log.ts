import { events } from './catalogue.ts';
import type { LogRecord, LogSink } from './log.ts';
import { LogFile } from './log-file.ts';

/** Five files of 2 MiB: months of an ordinary connector. */
const maxBytes = 2 * 1024 * 1024;
const maxFiles = 5;
const minuteMs = 60_000;
/** Kinds of frequent events that are told apart at a time. */
const maxKinds = 1_000;

/** The admin log of a connector: what an administrator is to know of, in `<data>/logs/admin.jsonl`. */
export class AdminLog implements LogSink {
  readonly level = 'info';
  readonly #file: LogFile;
  readonly #now: () => number;
  readonly #frequent = new Map<string, { writtenAt: number; leftOut: number }>();

  /**
   * @param onLost Lines could not be written, and one could be since.
   * @param now Milliseconds, monotonic.
   */
  constructor(dataDir: string, onLost: (lines: number) => void, now: () => number) {
    this.#file = new LogFile({ dataDir, name: 'admin', maxBytes, maxFiles, onLost });
    this.#now = now;
  }

  write(record: LogRecord): void {
    const leftOut = events[record.event].isFrequent ? this.#countFrequent(record) : 0;
    if (leftOut === null) return;
    this.#file.write(`${JSON.stringify(leftOut === 0 ? record : { ...record, leftOut })}\n`);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  // A backend that is down fails every request of its application, and would push everything else out of the log.
  #countFrequent({ event, applicationId, code }: LogRecord): number | null {
    const kind = `${event} ${String(applicationId)} ${String(code)}`;
    const known = this.#frequent.get(kind);
    const now = this.#now();
    if (known !== undefined && now - known.writtenAt < minuteMs) {
      known.leftOut += 1;
      return null;
    }
    if (this.#frequent.size >= maxKinds) this.#frequent.clear();
    this.#frequent.set(kind, { writtenAt: now, leftOut: 0 });
    return known?.leftOut ?? 0;
  }
}
