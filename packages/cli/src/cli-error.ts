/** What the program's exit code says. Documented in `--help`; never renumbered. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notSignedIn: 3,
  notAllowed: 4,
  notFound: 5,
  conflict: 6,
  unreachable: 7,
  unusableIdentity: 78,
} as const;

export type Failure = Exclude<keyof typeof exitCodes, 'ok'>;

/** What a person reads when a command fails: what happened, and what to do about it. */
export class CliError extends Error {
  override readonly name = 'CliError';
  /** Stable, for programs that read `--json`. */
  readonly code: Failure;
  /** A sentence of its own; absent where nothing useful can be said. */
  readonly remedy: string | undefined;

  constructor(code: Failure, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
  }
}

/** The `CliError` that an error is or was caused by, where there is one. */
export function findCliError(error: unknown): CliError | undefined {
  // Libraries wrap what our fetch throws; ten levels are more than any of them makes.
  let current = error;
  for (let depth = 0; depth < 10 && current instanceof Error; depth++) {
    if (current instanceof CliError) {
      return current;
    }
    current = current.cause;
  }
  return undefined;
}
