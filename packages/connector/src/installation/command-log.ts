import { closeSync, constants, fsyncSync, openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectorVersion, describeOs } from '../version.ts';

/** Commands whose every run leaves a log behind, whether it succeeds or not. */
export type LoggedCommand = 'install' | 'register' | 'uninstall';

/**
 * The log of one run of a command that changes this machine: `<tmpdir>/postern-connector-<command>-<UTC>.log`, 0600. It
 * is kept on success, too. Tokens, passwords and keys are never handed to it.
 */
export class CommandLog {
  /** Null where no file could be made, as on a read-only disk. */
  readonly file: string | null;
  readonly #fd: number | null;

  private constructor(file: string | null, fd: number | null) {
    this.file = file;
    this.#fd = fd;
  }

  /** Makes the file anew: in a folder that everybody may write to, one that is there already is somebody else's. */
  static create(command: LoggedCommand, now: Date, folder = tmpdir()): CommandLog {
    const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
    for (let attempt = 0; ; attempt++) {
      const suffix = attempt === 0 ? '' : `-${attempt}`;
      const file = join(folder, `postern-connector-${command}-${stamp}${suffix}.log`);
      try {
        const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
        const log = new CommandLog(file, openSync(file, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600));
        log.note(
          `postern-connector ${connectorVersion} ${command}, Node.js ${process.version}, ${describeOs()}`,
        );
        return log;
      } catch (error) {
        // Whoever typed the command wants it done, with a log or without.
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === 99) {
          return new CommandLog(null, null);
        }
      }
    }
  }

  /** A line, with the time before it. */
  note(text: string): void {
    const fd = this.#fd;
    if (fd === null) return;
    const line = `${new Date().toISOString()} ${text.replaceAll('\n', '\n  ')}\n`;
    withoutHarm(() => writeSync(fd, line));
  }

  /** Closes the file. */
  close(): void {
    const fd = this.#fd;
    if (fd === null) return;
    withoutHarm(() => fsyncSync(fd));
    closeSync(fd);
  }
}

// On a disk that is full or fails the command's own outcome counts, and is told to whoever typed it.
function withoutHarm(write: () => void): void {
  try {
    write();
  } catch {
    // The line is lost.
  }
}

/**
 * Does what a command does, with a log of it. A failure is noted with its causes, and the error takes the log's path
 * along, as `logFile`.
 */
export async function withCommandLog<T>(
  command: LoggedCommand,
  act: (log: CommandLog) => Promise<T>,
): Promise<T> {
  const log = CommandLog.create(command, new Date());
  try {
    const result = await act(log);
    log.note('done');
    return result;
  } catch (error) {
    log.note(`failed: ${describeError(error)}`);
    if (error instanceof Error && log.file !== null) Object.assign(error, { logFile: log.file });
    throw error;
  } finally {
    log.close();
  }
}

function describeError(error: unknown): string {
  const lines: string[] = [];
  for (let current = error; lines.length < 10 && current !== undefined; ) {
    if (!(current instanceof Error)) {
      lines.push(String(current));
      break;
    }
    const { code, remedy } = current as Error & { code?: unknown; remedy?: unknown };
    const known = typeof code === 'string' ? ` (${code})` : '';
    lines.push(`${current.message}${known}${typeof remedy === 'string' ? `\n${remedy}` : ''}`);
    current = current.cause;
  }
  return lines.join('\ncaused by: ');
}
