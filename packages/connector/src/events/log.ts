import { type EventName, events } from './catalogue.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** One event of the connector's log. Never a token, a key or content of a request. */
export interface LogEvent {
  readonly event: EventName;
  /** Default: that of the catalogue. */
  readonly level?: LogLevel;
  /** One sentence for an administrator. */
  readonly message: string;
  readonly [field: string]: unknown;
}

export type Log = (event: LogEvent) => void;

/** An event as a sink gets it: complete, with its number and its time. */
export interface LogRecord {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly level: LogLevel;
  readonly id: number;
  readonly event: EventName;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** Somewhere that events go: the standard error stream, the admin log. */
export interface LogSink {
  /** The least level that it takes. */
  readonly level: LogLevel;
  write(record: LogRecord): void;
}

/** A log that gives every event to each of its sinks. */
export function createLog(sinks: readonly LogSink[]): Log {
  return ({ event, level = events[event].level, message, ...fields }) => {
    const takers = sinks.filter(sink => logLevels.indexOf(level) >= logLevels.indexOf(sink.level));
    if (takers.length === 0) return;
    const time = new Date().toISOString();
    const record: LogRecord = { time, level, id: events[event].id, event, message, ...fields };
    for (const sink of takers) sink.write(record);
  };
}

/** A sink that writes one JSON document per line. */
export function lineSink(level: LogLevel, write: (line: string) => void): LogSink {
  return { level, write: record => write(`${JSON.stringify(record)}\n`) };
}
