/** What the operator reads when a command fails: what happened, and what to do about it. */
export class OperateError extends Error {
  override readonly name = 'OperateError';
  readonly code: OperateErrorCode;
  /** A sentence of its own; absent where nothing useful can be said. */
  readonly remedy: string | undefined;

  constructor(code: OperateErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
  }
}

/**
 * - `usage`: the command line or the configuration is wrong; exit code 2.
 * - `conflict`: something is there already and is never overwritten; exit code 6.
 * - `failed`: anything else; exit code 1.
 */
export type OperateErrorCode = 'usage' | 'conflict' | 'failed';

export const operateExitCodes: Readonly<Record<OperateErrorCode, number>> = {
  failed: 1,
  usage: 2,
  conflict: 6,
};
