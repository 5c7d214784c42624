/**
 * What is said of a failed command: its place where that is known, message, remedy, and the log of the attempt.
 */
export function describeFailure(error: unknown): string {
  const { message, category, logFile } = error as Error & { category?: string; logFile?: string };
  const remedy = remedyOf(error);
  const where = category === undefined ? '' : `[${category.replaceAll('_', ' ')}] `;
  const log = logFile === undefined ? '' : `The log of this attempt is ${logFile}\n`;
  return `${where}${message}\n${remedy === undefined ? '' : `${remedy}\n`}${log}`;
}

/** What to do about a failure, by its own word or because the machine has refused a file; else undefined. */
export function remedyOf(error: unknown): string | undefined {
  const { code, remedy, syscall } = error as NodeJS.ErrnoException & { remedy?: string };
  if (remedy !== undefined || syscall === undefined) return remedy;
  if (code === 'EACCES' || code === 'EPERM') {
    return "Run this as root, or as the user that owns the connector's folder.";
  }
  if (code === 'EROFS') return 'Mount the disk writable, or name a folder on another one with --data.';
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'Make room on that disk.';
  return undefined;
}
