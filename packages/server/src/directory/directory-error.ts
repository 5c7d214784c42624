/**
 * - `not_found`: there is no object with that id.
 * - `conflict`: it exists already, is in use, or the change contradicts another object.
 * - `invalid`: a value cannot be accepted; `property` names it.
 * - `precondition_failed`: the object has changed since the version that was expected.
 * - `last_administrator`: nobody could administer the service afterwards.
 * - `forbidden`: not allowed for this object as it is.
 * - `storage_full`: there is no space left; nothing was changed.
 */
export type DirectoryErrorCode =
  | 'not_found'
  | 'conflict'
  | 'invalid'
  | 'precondition_failed'
  | 'last_administrator'
  | 'forbidden'
  | 'storage_full';

/** Why a change of the directory was not made. The message is for the person who asked for it and holds no secret. */
export class DirectoryError extends Error {
  readonly code: DirectoryErrorCode;
  /** The property that was refused, under its name in the admin API. */
  readonly property: string | undefined;

  constructor(code: DirectoryErrorCode, message: string, options: ErrorOptions & { property?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DirectoryError';
    this.code = code;
    this.property = options.property;
  }
}

export function notFound(what: string, id: string): DirectoryError {
  return new DirectoryError('not_found', `There is no ${what} ${id}.`);
}

export function invalid(property: string, message: string): DirectoryError {
  return new DirectoryError('invalid', message, { property });
}

/**
 * @param expected The version that the caller has read; undefined where it does not matter.
 * @throws DirectoryError `precondition_failed`
 */
export function checkVersion(row: { readonly version: number }, expected: number | undefined): void {
  if (expected === undefined || row.version === expected) return;
  throw new DirectoryError(
    'precondition_failed',
    'It was changed by somebody else in the meantime. Read it again, then repeat the change.',
  );
}
