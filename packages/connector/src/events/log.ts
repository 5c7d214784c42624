export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** One event of the connector's log. Never a token, a key or content of a request. */
export interface LogEvent {
  readonly level: LogLevel;
  /** Stable name of the event. */
  readonly event: string;
  /** One sentence for an administrator. */
  readonly message: string;
  readonly [field: string]: unknown;
}

export type Log = (event: LogEvent) => void;

/** A log that writes one JSON document per line. */
export function createLog(write: (line: string) => void, level: LogLevel): Log {
  const least = logLevels.indexOf(level);
  return ({ level, event, message, ...fields }) => {
    if (logLevels.indexOf(level) < least) return;
    write(`${JSON.stringify({ time: new Date().toISOString(), level, event, message, ...fields })}\n`);
  };
}
