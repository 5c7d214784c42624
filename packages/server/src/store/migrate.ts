import { closeSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { type Kysely, sql } from 'kysely';
import { DEFAULT_MIGRATION_TABLE, type Migration, Migrator } from 'kysely/migration';
import { firstTables } from './migrations/0001-first-tables.ts';
import { enrolmentTokens } from './migrations/0002-enrolment-tokens.ts';
import { alerts } from './migrations/0004-alerts.ts';
import { customDomains } from './migrations/0005-custom-domains.ts';
import { keptAnchors } from './migrations/0006-kept-anchors.ts';
import { drainingConnectors } from './migrations/0007-draining-connectors.ts';
import { applicationCredentials } from './migrations/0008-application-credentials.ts';
import { connectorRegions } from './migrations/0009-connector-regions.ts';
import { sessionTimings } from './migrations/0010-session-timings.ts';
import { certificateCredentials } from './migrations/0011-certificate-credentials.ts';
import { originsOfSignIns } from './migrations/0012-origins-of-sign-ins.ts';
import type { Database } from './schema.ts';
import { StoreError } from './store-error.ts';
import { syncToDisk } from './sync-to-disk.ts';

/** Every migration there is, in order. They only go forward; a release never changes one that has been published. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-first-tables': firstTables,
  '0002-enrolment-tokens': enrolmentTokens,
  '0004-alerts': alerts,
  '0005-custom-domains': customDomains,
  '0006-kept-anchors': keptAnchors,
  '0007-draining-connectors': drainingConnectors,
  '0008-application-credentials': applicationCredentials,
  '0009-connector-regions': connectorRegions,
  '0010-session-timings': sessionTimings,
  '0011-certificate-credentials': certificateCredentials,
  '0012-origins-of-sign-ins': originsOfSignIns,
};

export interface MigrateOptions {
  readonly db: Kysely<Database>;
  readonly connection: DatabaseSync;
  readonly file: string;
  readonly backupsDir: string;
  readonly migrations: Readonly<Record<string, Migration>>;
}

/**
 * Brings the tables up to date in one transaction, after copying the database where there is one to lose.
 *
 * @returns Names of the migrations that were run.
 * @throws StoreError `newer_schema`, `migration_failed`.
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const { db, file } = options;
  const done = await executedMigrations(db);
  const unknown = done.filter(name => !Object.hasOwn(options.migrations, name));
  if (unknown.length > 0) throw newerSchema(file, unknown);

  const pending = Object.keys(options.migrations).filter(name => !done.includes(name));
  if (pending.length === 0) return [];
  if (done.length > 0) copyDatabase(options, pending[0]);

  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...options.migrations }) } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw migrationFailed(file, error);
  return pending;
}

async function executedMigrations(db: Kysely<Database>): Promise<string[]> {
  const table = await sql<{ name: string }>`
    select name from sqlite_master where type = 'table' and name = ${DEFAULT_MIGRATION_TABLE}`.execute(db);
  if (table.rows.length === 0) return [];
  const rows = await sql<{ name: string }>`
    select name from ${sql.table(DEFAULT_MIGRATION_TABLE)} order by name`.execute(db);
  return rows.rows.map(row => row.name);
}

/** VACUUM INTO rather than a file copy: it includes what is still in the write-ahead log. */
function copyDatabase({ connection, backupsDir }: MigrateOptions, before: string): void {
  mkdirSync(backupsDir, { recursive: true, mode: 0o700 });
  const time = new Date().toISOString().replaceAll(':', '-');
  const copy = path.join(backupsDir, `before-${before}-${time}.db`);
  // SQLite fills an empty file that exists already, and so the copy never has wider permissions than 0600.
  closeSync(openSync(copy, 'wx', 0o600));
  connection.prepare('vacuum into ?').run(copy);
  syncToDisk(copy);
  syncToDisk(backupsDir);
}

function newerSchema(file: string, unknown: readonly string[]): StoreError {
  return new StoreError(
    'newer_schema',
    `${file} was changed by a newer release of Postern (${unknown.join(', ')}). Install that release again, or put ` +
      'back the copy from before it with "postern rollback".',
  );
}

function migrationFailed(file: string, cause: unknown): StoreError {
  if (cause instanceof StoreError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  return new StoreError(
    'migration_failed',
    `The tables of ${file} could not be brought up to date: ${said}. Nothing was changed.`,
    { cause },
  );
}
