import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';
import { migrate, migrations as ownMigrations } from './migrate.ts';
import type { Database } from './schema.ts';
import { NodeSqliteDialect } from './sqlite-dialect.ts';
import { corruptDatabase, translateStorageError } from './store-error.ts';
import { syncToDisk } from './sync-to-disk.ts';

// Node has had it since 24.12; its published types do not know it yet.
declare module 'node:sqlite' {
  interface DatabaseSync {
    enableDefensive(active: boolean): void;
  }
}

export interface OpenStoreOptions {
  /** Where the database is copied to before a migration; by default the folder `backups` beside the file. */
  readonly backupsDir?: string;
  readonly migrations?: Readonly<Record<string, Migration>>;
}

/**
 * Opens the database, creating it (0600) where it does not exist, checks it, and brings its tables up to date. One
 * connection; Kysely lets one query or transaction at a time use it, in the order they were asked for.
 *
 * A change is on disk before its promise resolves: write-ahead log with `synchronous = FULL` syncs the log at each
 * commit (https://www.sqlite.org/pragma.html#pragma_synchronous).
 *
 * @throws StoreError `corrupt`, `newer_schema`, `migration_failed`, `storage_full`, `storage_failed`.
 */
export async function openStore(file: string, options: OpenStoreOptions = {}): Promise<Kysely<Database>> {
  const connection = openConnection(file);
  const db = new Kysely<Database>({ dialect: new NodeSqliteDialect(connection, file) });
  try {
    await migrate({
      db,
      connection,
      file,
      backupsDir: options.backupsDir ?? path.join(path.dirname(file), 'backups'),
      migrations: options.migrations ?? ownMigrations,
    });
  } catch (error) {
    await db.destroy();
    throw translateStorageError(error, file);
  }
  return db;
}

/** How long a statement waits for another process (`postern backup`, say) to finish its transaction. */
const busyTimeoutMs = 5_000;

function openConnection(file: string): DatabaseSync {
  let connection: DatabaseSync | undefined;
  try {
    createFile(file);
    connection = new DatabaseSync(file, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true });
    connection.exec('pragma journal_mode = wal');
    connection.exec('pragma synchronous = full');
    connection.exec('pragma trusted_schema = off');
    connection.enableDefensive(true);
    refuseDamaged(connection, file);
    return connection;
  } catch (error) {
    connection?.close();
    throw translateStorageError(error, file);
  }
}

/**
 * SQLite would create the file with 0644; its -wal and -shm files take its permissions over. What SQLite does for files
 * that it creates is done here too: their names are synced, or a power cut could lose the whole file.
 */
function createFile(file: string): void {
  if (existsSync(file)) return;
  const folder = path.dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  closeSync(openSync(file, 'a', 0o600));
  syncToDisk(folder);
  syncToDisk(path.dirname(folder));
}

function refuseDamaged(connection: DatabaseSync, file: string): void {
  const findings = connection
    .prepare('pragma quick_check(1)')
    .all()
    .map(row => String(row['quick_check']));
  if (findings.length === 1 && findings[0] === 'ok') return;
  throw corruptDatabase(file, findings.join('; '));
}
