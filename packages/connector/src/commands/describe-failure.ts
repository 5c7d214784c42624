/**
 * What is said of a failed command: its place where that is known, message, remedy, and the log of the attempt.
 */
export function describeFailure(error: unknown): string {
  const { message, remedy, category, logFile } = error as Error & {
    remedy?: string;
    category?: string;
    logFile?: string;
  };
  const where = category === undefined ? '' : `[${category.replaceAll('_', ' ')}] `;
  const log = logFile === undefined ? '' : `The log of this attempt is ${logFile}\n`;
  return `${where}${message}\n${remedy === undefined ? '' : `${remedy}\n`}${log}`;
}
