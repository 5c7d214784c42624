import { destination } from 'pino';

/** One request, as the access log tells it. No path, no query, no cookie. */
export interface AccessEntry {
  readonly requestId: string;
  /** Of the application; null where none was found. */
  readonly applicationId: string | null;
  /** Null where it names none that can be read; known already where there is an application. */
  readonly host: string | null;
  readonly userId: string | null;
  /** Of the program that presented a credential of the application; null for people. */
  readonly clientId: string | null;
  /** Null for an answer of the service's own. */
  readonly method: string | null;
  readonly status: number;
  readonly bytesToClient: number;
  /** Milliseconds from its head to its end. */
  readonly ms: number;
}

export interface AccessLogParts {
  readonly program: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Gets whole lines. */
  readonly write: (lines: string) => void;
}

/** Lines wait for others so long, in milliseconds; what ends the process without a word takes them along. */
const holdMs = 20;
/** More than this is not held. */
const maxHeldLength = 64 * 1024;

/**
 * A line for each request, in the form of every other line of the log. Those of a moment go out in one write: a write for
 * each request took a fifth of what the request itself took, and one for each turn of the event loop still a tenth.
 */
export class AccessLog {
  readonly #parts: AccessLogParts;
  readonly #base: string;
  #lines = '';
  #time = '';
  #timeAt = Number.NaN;
  #pending: NodeJS.Timeout | null = null;

  constructor(parts: AccessLogParts) {
    this.#parts = parts;
    this.#base = `","program":${JSON.stringify(parts.program)},"pid":${process.pid},"requestId":`;
  }

  add(entry: AccessEntry): void {
    this.#lines += this.#lineOf(entry);
    if (this.#lines.length > maxHeldLength) this.flush();
    else this.#pending ??= setTimeout(() => this.flush(), holdMs);
  }

  /** Writes what is held, as before the process ends. */
  flush(): void {
    if (this.#pending !== null) clearTimeout(this.#pending);
    this.#pending = null;
    const lines = this.#lines;
    if (lines === '') return;
    this.#lines = '';
    this.#parts.write(lines);
  }

  #lineOf({
    requestId,
    applicationId,
    host,
    userId,
    clientId,
    method,
    status,
    bytesToClient,
    ms,
  }: AccessEntry): string {
    let line = `{"level":"info","time":"${this.#isoTime()}${this.#base}${JSON.stringify(requestId)}`;
    if (applicationId !== null) line += `,"applicationId":${JSON.stringify(applicationId)}`;
    if (host !== null) line += `,"host":${JSON.stringify(host)}`;
    if (userId !== null) line += `,"userId":${JSON.stringify(userId)}`;
    if (clientId !== null) line += `,"clientId":${JSON.stringify(clientId)}`;
    if (method !== null) {
      line += `,"method":${JSON.stringify(method)},"bytesToClient":${bytesToClient},"ms":${Math.round(ms)}`;
    }
    return `${line},"status":${status},"msg":"request"}\n`;
  }

  #isoTime(): string {
    const now = this.#parts.now();
    if (now !== this.#timeAt) {
      this.#timeAt = now;
      this.#time = new Date(now).toISOString();
    }
    return this.#time;
  }
}

/** The access log of a program on standard output, between the lines of its logger: both write at once and whole lines. */
export function createAccessLog(program: string): AccessLog {
  const output = destination({ dest: 1, sync: true });
  return new AccessLog({ program, now: Date.now, write: lines => void output.write(lines) });
}
