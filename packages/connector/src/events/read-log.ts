import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { type LogName, logFilePath } from './log-file.ts';

/** A line of a log, whichever it is. */
export interface LogLine {
  readonly time: string;
  readonly [field: string]: unknown;
}

/** More files than a log ever keeps: a release may keep fewer than the one before it. */
const maxAge = 20;
const followMs = 500;
const readBytes = 64 * 1024;

/**
 * Reads a log from its oldest line on, over all of its files; lines that are none, as after a full disk, are left out.
 *
 * @throws NodeJS.ErrnoException where the folder may not be read. A log that was never written has no lines.
 */
export async function* readLog(dataDir: string, name: LogName): AsyncGenerator<LogLine> {
  for (let age = maxAge; age >= 0; age--) {
    await using file = await openLog(logFilePath(dataDir, name, age));
    if (file !== null) yield* file.lines();
  }
}

/**
 * Reads a log's newest file and goes on as lines are written, through every change of files, until `signal` aborts.
 *
 * @param onCaughtUp Called whenever there is nothing more to read at the moment.
 */
export async function* followLog(
  dataDir: string,
  name: LogName,
  signal: AbortSignal,
  onCaughtUp: () => void = () => {},
): AsyncGenerator<LogLine> {
  const path = logFilePath(dataDir, name);
  let file = await openLog(path);
  try {
    while (!signal.aborted) {
      const next = await openLog(path);
      const isSame = file !== null && next !== null && (await next.isSameAs(file));
      // What was written to the one before it was put aside comes first.
      if (file !== null) yield* file.lines();
      if (next !== null && !isSame) {
        await file?.close();
        file = next;
        continue;
      }
      await next?.close();
      onCaughtUp();
      await pause(followMs, undefined, { signal }).catch(() => {});
    }
  } finally {
    await file?.close();
  }
}

async function openLog(path: string): Promise<OpenLog | null> {
  try {
    return new OpenLog(await open(path, 'r'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** A log file that is read; asked again, it gives what was added. */
class OpenLog implements AsyncDisposable {
  readonly #handle: FileHandle;
  /** Keeps the first bytes of a character that was cut by the end of the file. */
  readonly #decoder = new TextDecoder();
  #rest = '';

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async *lines(): AsyncGenerator<LogLine> {
    const buffer = Buffer.alloc(readBytes);
    for (;;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      const lines = (
        this.#rest + this.#decoder.decode(buffer.subarray(0, bytesRead), { stream: true })
      ).split('\n');
      this.#rest = lines.pop()!;
      for (const text of lines) {
        const line = parseLine(text);
        if (line !== null) yield line;
      }
    }
  }

  async isSameAs(other: OpenLog): Promise<boolean> {
    const [one, two] = await Promise.all([this.#handle.stat(), other.#handle.stat()]);
    return one.ino === two.ino && one.dev === two.dev;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function parseLine(text: string): LogLine | null {
  try {
    const value: unknown = JSON.parse(text);
    const isLine = typeof value === 'object' && value !== null && 'time' in value;
    return isLine && typeof value.time === 'string' ? (value as LogLine) : null;
  } catch {
    return null;
  }
}
