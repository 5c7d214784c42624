import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError, translateStorageError } from './store-error.ts';

/** Held until it is released, is referred to by nobody any more, or the process ends, however it ends. */
export interface ProcessLock {
  release(): void;
}

/**
 * Takes a lock that one process on this machine can hold, waiting for the one that holds it to end. Waiting blocks the
 * process: it is for its start.
 *
 * The lock is SQLite's on an empty file: the kernel gives it back when its holder dies, so that, unlike with a file that
 * holds a process id, none is ever left behind.
 *
 * @param waitMs How long to wait.
 * @throws StoreError `in_use` if another process holds it for longer, `storage_failed`.
 */
export function takeProcessLock(file: string, waitMs: number): ProcessLock {
  const connection = openLockFile(file, waitMs);
  try {
    connection.exec('begin exclusive');
  } catch (cause) {
    connection.close();
    throw new StoreError(
      'in_use',
      `Another process of Postern uses this data folder (${file}). Stop it first.`,
      { cause },
    );
  }
  return { release: () => connection.close() };
}

function openLockFile(file: string, waitMs: number): DatabaseSync {
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    // Not opened where it exists: closing a file gives up every POSIX lock that this process has on it.
    if (!existsSync(file)) closeSync(openSync(file, 'a', 0o600));
    return new DatabaseSync(file, { timeout: waitMs });
  } catch (error) {
    throw translateStorageError(error, file);
  }
}
