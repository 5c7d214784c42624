import { destination, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export interface LoggerOptions {
  /** Name of the program, in every line: `relay`, `control`, `connector`. */
  readonly program: string;
  readonly level: 'error' | 'warn' | 'info' | 'debug' | 'silent';
  /** Standard error where standard output belongs to something else; default `stdout`. */
  readonly output?: 'stdout' | 'stderr';
}

/**
 * Makes the logger of a program: one JSON document a line, times in UTC. The request id is a child's binding
 * (`log.child({ requestId })`), so that it stands in every line about a request.
 */
export function createLogger({ program, level, output = 'stdout' }: LoggerOptions): Logger {
  return pino(
    {
      level,
      base: { program, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      // Nothing of ours logs them; this is for what a library puts into an error or a request.
      redact: {
        paths: [
          'authorization',
          'cookie',
          '*.authorization',
          '*.cookie',
          '*.headers.authorization',
          '*.headers.cookie',
          '*["set-cookie"]',
          'password',
          '*.password',
        ],
        censor: '(removed)',
      },
    },
    // Synchronous: a program that ends at once loses no line, and nothing on a request's path logs by default.
    destination({ dest: output === 'stderr' ? 2 : 1, sync: true }),
  );
}
