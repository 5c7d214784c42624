/** One command of the connector's program. `postern connector <name>` runs the same. */
export interface ConnectorCommand {
  readonly name: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** Its options, a line each, as `--help` prints them; those of all commands are left out. */
  readonly options: string;
  /**
   * Does it; prints by itself.
   *
   * @param args What follows the command's name.
   * @returns the exit code.
   * @throws UsageError or a RangeError for arguments that cannot be understood, an error with `remedy` for what failed.
   */
  run(args: readonly string[]): Promise<number>;
}

/** Exit codes; `status` and `doctor` have more of their own. `unusableIdentity` is for `run`: trying again would not help. */
export const exitCodes = { done: 0, failed: 1, notUnderstood: 2, unusableIdentity: 78 } as const;

/** The command line cannot be understood; the message says which part, and what is allowed. */
export class UsageError extends Error {
  readonly code = 'usage';
}

/** For `parseArgs`: the folder of the connector, an option of every command. */
export const dataOption = { data: { type: 'string' } } as const;

/** @param option What `--data` says. */
export function dataDirOf(option: string | undefined): string {
  return option ?? process.env['POSTERN_CONNECTOR_DATA'] ?? '/var/lib/postern-connector';
}
