import type { EndReason } from '@postern/protocol/tunnel/messages';
import type { OpenFailure } from '@postern/protocol/tunnel/preamble';
import { LogFile } from './log-file.ts';

/** Five files of 20 MiB, of about 300 bytes a request. */
const maxBytes = 20 * 1024 * 1024;
const maxFiles = 5;

/**
 * What became of a request: `answered`, the code of a backend that could not be connected to, or why the connection
 * ended before the service took the answer for complete. `service_closed` is a client that went away as well.
 */
export type RequestOutcome = 'answered' | OpenFailure | EndReason;

/** One line of the session log: a request, without anything of its content. */
export interface SessionRecord {
  /** When it began: ISO 8601, UTC. */
  readonly time: string;
  readonly applicationId: string;
  readonly requestId: string;
  /** Configured host and port. */
  readonly backend: string;
  readonly outcome: RequestOutcome;
  readonly bytesToBackend: number;
  readonly bytesFromBackend: number;
  readonly durationMs: number;
}

/** The session log of a connector, `<data>/logs/session.jsonl`: one line for each request when it is over. */
export class SessionLog {
  readonly #file: LogFile;
  readonly #now: () => number;

  /**
   * @param onLost Lines could not be written, and one could be since.
   * @param now Milliseconds, monotonic.
   */
  constructor(dataDir: string, onLost: (lines: number) => void, now: () => number) {
    this.#file = new LogFile({ dataDir, name: 'session', maxBytes, maxFiles, onLost });
    this.#now = now;
  }

  /** Begins the record of a request whose first byte is at `offset` of what goes to the backend. */
  begin(request: Pick<SessionRecord, 'applicationId' | 'requestId' | 'backend'>, offset: number): OpenRecord {
    return new OpenRecord(request, offset, this.#now, record =>
      this.#file.write(`${JSON.stringify(record)}\n`),
    );
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** The record of a request that is not over. */
export class OpenRecord {
  readonly request: Pick<SessionRecord, 'applicationId' | 'requestId' | 'backend'>;
  readonly #offset: number;
  readonly #now: () => number;
  readonly #write: (record: SessionRecord) => void;
  readonly #time = new Date().toISOString();
  readonly #startedAt: number;
  #bytesFromBackend = 0;

  constructor(
    request: OpenRecord['request'],
    offset: number,
    now: () => number,
    write: (record: SessionRecord) => void,
  ) {
    this.request = request;
    this.#offset = offset;
    this.#now = now;
    this.#write = write;
    this.#startedAt = now();
  }

  received(bytes: number): void {
    this.#bytesFromBackend += bytes;
  }

  /** @param offset How much has been written to the backend. */
  end(outcome: RequestOutcome, offset: number): void {
    this.#write({
      time: this.#time,
      ...this.request,
      outcome,
      bytesToBackend: Math.max(0, offset - this.#offset),
      bytesFromBackend: this.#bytesFromBackend,
      durationMs: Math.round((this.#now() - this.#startedAt) * 10) / 10,
    });
  }
}
