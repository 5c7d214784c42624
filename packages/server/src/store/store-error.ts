/**
 * What the store can say when it cannot do what was asked.
 *
 * - `storage_full`: the disk or the database's size limit is reached; nothing of the transaction was kept.
 * - `storage_failed`: reading or writing the database file failed.
 * - `corrupt`: the file is no database, or its pages contradict each other.
 * - `newer_schema`: a newer release has changed the tables.
 * - `migration_failed`: the tables could not be brought up to date; the file is as it was.
 * - `in_use`: another process holds what only one may hold.
 * - `master_key_missing`, `master_key_invalid`, `master_key_wrong`: secrets cannot be unsealed.
 */
export type StoreErrorCode =
  | 'storage_full'
  | 'storage_failed'
  | 'corrupt'
  | 'newer_schema'
  | 'migration_failed'
  | 'in_use'
  | 'master_key_missing'
  | 'master_key_invalid'
  | 'master_key_wrong';

export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
  }
}

// Primary result codes of SQLite (https://www.sqlite.org/rescode.html); extended codes keep them in the low byte.
const sqliteIoError = 10;
const sqliteCorrupt = 11;
const sqliteFull = 13;
const sqliteNotADatabase = 26;
const sqliteReadOnly = 8;
const sqliteCannotOpen = 14;

/**
 * Translates what node:sqlite or node:fs threw into a {@link StoreError} where the cause lies in the file or its disk;
 * anything else (a violated constraint, a mistake in a statement) is returned as it is.
 */
export function translateStorageError(error: unknown, file: string): unknown {
  const said = error instanceof Error ? error.message : String(error);
  switch (primaryResultCode(error) ?? systemErrorCode(error)) {
    case sqliteFull:
    case 'ENOSPC':
    case 'EDQUOT':
      return new StoreError('storage_full', `There is no space left to write to ${file}.`, { cause: error });
    case sqliteCorrupt:
    case sqliteNotADatabase:
      return corruptDatabase(file, said, error);
    case sqliteIoError:
    case sqliteReadOnly:
    case sqliteCannotOpen:
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'EIO':
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ENOENT':
    case 'EEXIST':
      return new StoreError(
        'storage_failed',
        `${file} cannot be read or written (${said}). Check that its folder belongs to the user of the service, and that ` +
          'the disk is mounted for writing and sound.',
        { cause: error },
      );
    default:
      return error;
  }
}

export function corruptDatabase(file: string, finding: string, cause?: unknown): StoreError {
  return new StoreError(
    'corrupt',
    `${file} is damaged (${finding}). Keep a copy of it, then put back a backup: the folder "backups" beside it holds ` +
      'one from before each migration, and "postern restore" reads those of "postern backup".',
    { cause },
  );
}

function primaryResultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}

function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
