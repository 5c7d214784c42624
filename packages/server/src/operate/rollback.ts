import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { dataPaths } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { OperateError } from './operate-error.ts';
import { requireSetUp } from './require-set-up.ts';

/** What putting the copy back would undo, in one table. */
export interface TableDifference {
  readonly table: string;
  /** Rows that are only in the present database. */
  readonly added: number;
  /** Rows that are in both and differ. */
  readonly changed: number;
  /** Rows that are only in the copy: they would come back. */
  readonly removed: number;
  /** Names of some rows that were added or changed, where the table has names. */
  readonly examples: readonly string[];
}

export interface RollbackPlan {
  /** The copy that was made before the last migration. */
  readonly copy: string;
  readonly copiedAt: Date;
  /** The migration that it was made before. */
  readonly migration: string;
  readonly differences: readonly TableDifference[];
}

/**
 * Finds the database copy from before the last migration and tells what putting it back would lose. Changes nothing.
 *
 * @throws OperateError `failed` where there is no copy.
 */
export function planRollback(config: Config): RollbackPlan {
  requireSetUp(config);
  const paths = dataPaths(config);
  const copy = newestCopy(paths.backups);
  if (copy === undefined) {
    throw new OperateError('failed', `There is no copy from before a migration in ${paths.backups}.`, {
      remedy: 'To go back to a backup, use `postern restore`.',
    });
  }
  const migration = /^before-(.+?)-\d{4}-\d\d-\d\dT/.exec(path.basename(copy))?.[1] ?? 'unknown';
  return { copy, copiedAt: statSync(copy).mtime, migration, differences: compare(paths.database, copy) };
}

/**
 * Puts the copy in the place of the database. The present database is kept beside it.
 *
 * @returns Where the present database went.
 * @throws OperateError `failed` while the service runs, or another program uses the database.
 */
export async function rollBack(config: Config, plan: RollbackPlan, now: number): Promise<string> {
  const paths = dataPaths(config);
  await refuseRunning(paths.controlSocket);
  const time = new Date(now).toISOString().replaceAll(':', '-');
  const kept = path.join(paths.backups, `rolled-back-${time}.db`);
  const { uid, gid } = statSync(paths.database);
  // The log must be in the file before the file is moved; opening and closing it alone does that.
  checkpoint(paths.database);
  const draft = `${paths.database}.rolling-back`;
  copyFileSync(plan.copy, draft);
  chmodSync(draft, 0o600);
  if (process.getuid?.() === 0) chownSync(draft, uid, gid);
  copyFileSync(paths.database, kept);
  chmodSync(kept, 0o600);
  renameSync(draft, paths.database);
  for (const suffix of ['-wal', '-shm']) rmSync(`${paths.database}${suffix}`, { force: true });
  // A second rollback would otherwise find the same copy again.
  renameSync(plan.copy, plan.copy.replace(/\.db$/, '.used'));
  return kept;
}

/** The plan for people. */
export function describeRollback({ copy, copiedAt, migration, differences }: RollbackPlan): string {
  const losses = differences.map(({ table, added, changed, removed, examples }) => {
    const parts = [
      added > 0 && `${added} added`,
      changed > 0 && `${changed} changed`,
      removed > 0 && `${removed} removed, coming back`,
    ].filter(Boolean);
    return `  ${wordFor(table)}: ${parts.join(', ')}${examples.length > 0 ? ` (${examples.join(', ')})` : ''}`;
  });
  return [
    `Copy from before the migration ${migration}, made ${copiedAt.toISOString()}:`,
    `  ${copy}`,
    '',
    losses.length === 0
      ? 'Nothing has changed since then; nothing would be lost.'
      : 'Changes made since then, which would be lost:',
    ...losses,
  ].join('\n');
}

/** Table names are ours; the operator knows the product's words. */
const words: Readonly<Record<string, string>> = {
  user: 'accounts',
  userGroup: 'groups',
  userGroupMember: 'group members',
  roleAssignment: 'roles',
  application: 'applications',
  appRoleAssignment: 'assignments',
  connectorGroup: 'connector groups',
  connector: 'connectors',
  connectorCertificate: 'trust certificates',
  edgeSession: 'sign-ins to applications',
  invitation: 'invitation links',
  signInFailure: 'counted sign-in failures',
  oidcRecord: 'sign-in sessions and tokens',
  sealedSecret: 'keys',
  customDomain: 'custom domains',
  publicCertificate: 'certificates of public names',
  automaticCertificate: 'attempts to get certificates',
};

function wordFor(table: string): string {
  return words[table] ?? table;
}

function newestCopy(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder)
    .filter(name => /^before-.*\.db$/.test(name))
    .map(name => path.join(folder, name))
    .sort((left, right) => statSync(right).mtimeMs - statSync(left).mtimeMs)[0];
}

/** Columns that tell people which row is meant. */
const nameColumns = ['userPrincipalName', 'displayName', 'machineName', 'name'];
const maxExamples = 5;

function compare(present: string, copy: string): TableDifference[] {
  using connection = new DatabaseSync(present, { timeout: 5_000 });
  connection.prepare('attach database ? as copied').run(copy);
  const tables = tablesOf(connection, 'main').filter(table => tablesOf(connection, 'copied').includes(table));
  return tables
    .map(table => compareTable(connection, table))
    .filter(({ added, changed, removed }) => added + changed + removed > 0);
}

function tablesOf(connection: DatabaseSync, schema: 'main' | 'copied'): string[] {
  return connection
    .prepare(`select name from ${schema}.sqlite_master where type = 'table' order by name`)
    .all()
    .map(row => String(row['name']))
    .filter(name => !name.startsWith('sqlite_') && !name.startsWith('kysely_'));
}

function compareTable(connection: DatabaseSync, table: string): TableDifference {
  const keys = columnsOf(connection, 'main', table).filter(column => column.isKey);
  const inCopy = new Set(columnsOf(connection, 'copied', table).map(column => column.name));
  const shared = columnsOf(connection, 'main', table).filter(column => inCopy.has(column.name));
  // A table without a key is compared by whole rows: each change then reads as one added and one removed.
  const identity = (keys.length > 0 ? keys : shared).map(column => quote(column.name));
  const same = identity.map(column => `a.${column} is b.${column}`).join(' and ');
  const differs = shared.map(column => `a.${quote(column.name)} is not b.${quote(column.name)}`).join(' or ');
  const [main, copied] = [`main.${quote(table)}`, `copied.${quote(table)}`];
  const count = (sql: string) => Number(connection.prepare(`select count(*) as n from ${sql}`).get()?.['n']);
  const only = (here: string, there: string) =>
    `${here} a where not exists (select 1 from ${there} b where ${same})`;
  const name = nameColumns.find(candidate => shared.some(column => column.name === candidate));
  return {
    table,
    added: count(only(main, copied)),
    changed: count(`${main} a join ${copied} b on ${same} where ${differs}`),
    removed: count(only(copied, main)),
    examples: name
      ? connection
          .prepare(
            `select a.${quote(name)} as shown from ${main} a left join ${copied} b on ${same} where b.${identity[0]} is null or ${differs} limit ${maxExamples}`,
          )
          .all()
          .map(row => String(row['shown']))
      : [],
  };
}

function columnsOf(
  connection: DatabaseSync,
  schema: 'main' | 'copied',
  table: string,
): { name: string; isKey: boolean }[] {
  return connection
    .prepare(`pragma ${schema}.table_info(${quote(table)})`)
    .all()
    .map(row => ({ name: String(row['name']), isKey: Number(row['pk']) > 0 }));
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function checkpoint(database: string): void {
  using connection = new DatabaseSync(database, { timeout: 5_000 });
  const done = connection.prepare('pragma wal_checkpoint(truncate)').get();
  if (done?.['busy'] === 0) return;
  throw new OperateError('failed', 'Another program uses the database. Nothing was changed.', {
    remedy: 'Let it end, or end it (`fuser -v` with the file names it), and run the command again.',
  });
}

async function refuseRunning(controlSocket: string): Promise<void> {
  const answers = await new Promise<boolean>(resolve => {
    const socket = connect(controlSocket);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
  if (!answers) return;
  throw new OperateError('failed', 'The service is running. Nothing was changed.', {
    remedy: 'Stop it first: systemctl stop postern.service (its sockets stay open), then run this again.',
  });
}
