import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

export type LogName = 'admin' | 'session';

export interface LogFileOptions {
  /** Folder of the connector; the log lies in its `logs`. */
  readonly dataDir: string;
  readonly name: LogName;
  /** A file that would grow beyond it is put aside first. */
  readonly maxBytes: number;
  /** How many files are kept, the one that is written among them. */
  readonly maxFiles: number;
  /** Lines were lost and one could be written again since: how many. */
  readonly onLost?: (lines: number) => void;
}

/** What waits for a slow disk; lines beyond it are lost, so that a disk that hangs costs no memory. */
const maxQueuedBytes = 1024 * 1024;

/** The files of a log, the one that is written first: `admin.jsonl`, `admin.1.jsonl`, … */
export function logFilePath(dataDir: string, name: LogName, age = 0): string {
  return join(dataDir, 'logs', age === 0 ? `${name}.jsonl` : `${name}.${age}.jsonl`);
}

/**
 * Appends lines to a file that never grows beyond its bounds. Writing never fails for the caller and never makes it
 * wait: what a full or broken disk does not take is counted and left out.
 */
export class LogFile {
  readonly #options: LogFileOptions;
  #queue: string[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | null = null;
  #handle: FileHandle | null = null;
  #size = 0;
  #lost = 0;
  /** The last write may have ended within a line. */
  #isTorn = false;

  constructor(options: LogFileOptions) {
    this.#options = options;
  }

  /** @param line With its end of line. */
  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#queuedBytes + bytes > maxQueuedBytes) {
      this.#lost += 1;
      return;
    }
    this.#queue.push(line);
    this.#queuedBytes += bytes;
    this.#writing ??= this.#writeAll();
  }

  /** Waits for what was written so far, and closes the file; it opens again with the next line. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#closeHandle();
  }

  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const lines = this.#queue;
      this.#queue = [];
      this.#queuedBytes = 0;
      try {
        await this.#append(lines.join(''));
      } catch {
        this.#lost += lines.length;
        this.#isTorn = true;
        await this.#closeHandle();
        continue;
      }
      this.#reportLost();
    }
    this.#writing = null;
  }

  #reportLost(): void {
    const lost = this.#lost;
    this.#lost = 0;
    if (lost > 0) this.#options.onLost?.(lost);
  }

  async #append(text: string): Promise<void> {
    const bytes = Buffer.byteLength(text);
    let handle = await this.#open();
    if (this.#size > 0 && this.#size + bytes > this.#options.maxBytes) {
      await this.#rotate();
      handle = await this.#open();
    }
    // Readers pass over a line that is no JSON; without its end it would spoil the next one, too.
    const start = this.#isTorn && this.#size > 0 ? '\n' : '';
    await handle.appendFile(start + text);
    this.#isTorn = false;
    this.#size += start.length + bytes;
  }

  async #open(): Promise<FileHandle> {
    if (this.#handle !== null) return this.#handle;
    const { dataDir, name } = this.#options;
    await mkdir(join(dataDir, 'logs'), { recursive: true, mode: 0o700 });
    const { O_APPEND, O_CREAT, O_WRONLY, O_NOFOLLOW } = constants;
    // No link is followed: in a folder that somebody else could write to, it would lead elsewhere.
    const flags = O_APPEND | O_CREAT | O_WRONLY | (O_NOFOLLOW ?? 0);
    const handle = await open(logFilePath(dataDir, name), flags, 0o600);
    this.#handle = handle;
    this.#size = (await handle.stat()).size;
    return handle;
  }

  async #rotate(): Promise<void> {
    await this.#closeHandle();
    const { dataDir, name, maxFiles } = this.#options;
    const pathOf = (age: number) => logFilePath(dataDir, name, age);
    await rm(pathOf(maxFiles - 1), { force: true });
    for (let age = maxFiles - 2; age >= 0; age--) await renameIfThere(pathOf(age), pathOf(age + 1));
    this.#isTorn = false;
  }

  async #closeHandle(): Promise<void> {
    const handle = this.#handle;
    this.#handle = null;
    await handle?.close().catch(() => {});
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
