import { AdminLog } from './admin-log.ts';
import { createLog, type Log, type LogLevel, lineSink } from './log.ts';
import type { LogName } from './log-file.ts';
import { SessionLog } from './session-log.ts';

export interface LogsOptions {
  /** Of what `write` gets. */
  readonly level: LogLevel;
  /** The standard error stream, or what stands for it. */
  readonly write: (line: string) => void;
  /** Whether a session log is kept. */
  readonly hasSessionLog: boolean;
}

/** Everything that a running connector writes down. */
export interface ConnectorLogs {
  /** Goes to `write` and to the admin log. */
  readonly log: Log;
  readonly sessionLog: SessionLog | undefined;
  /** Waits until all is written. */
  close(): Promise<void>;
}

/** The logs of a running connector, in its folder. They are files of its own: it works whatever becomes of them. */
export function openLogs(dataDir: string, { level, write, hasSessionLog }: LogsOptions): ConnectorLogs {
  const now = () => performance.now();
  const onLost = (name: LogName) => (lines: number) =>
    log({
      event: 'log_incomplete',
      message: `${lines} lines of the ${name} log could not be written, as on a full disk.`,
      log: name,
      lines,
    });
  const adminLog = new AdminLog(dataDir, onLost('admin'), now);
  const sessionLog = hasSessionLog ? new SessionLog(dataDir, onLost('session'), now) : undefined;
  const log = createLog([lineSink(level, write), adminLog]);
  return {
    log,
    sessionLog,
    async close() {
      // The session log may have something to say in the other.
      await sessionLog?.close();
      await adminLog.close();
    },
  };
}
