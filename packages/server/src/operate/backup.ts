import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseDocument } from 'yaml';
import { type Environment, loadConfig } from '../config/load.ts';
import { dataPaths } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { giveToOwner } from './open-data.ts';
import { OperateError } from './operate-error.ts';
import { requireSetUp } from './require-set-up.ts';
import { type ArchiveEntry, openArchive, sealArchive } from './sealed-archive.ts';

/**
 * Writes database, configuration, master key and the configured certificates into one sealed file (0600). The service
 * may go on running: the database is copied in one transaction.
 *
 * @returns Names of what it holds.
 * @throws OperateError `conflict` where the file exists.
 */
export function backUp(
  configFile: string,
  environment: Environment,
  backupFile: string,
  passphrase: string,
): readonly string[] {
  const config = loadConfig(configFile, environment);
  requireSetUp(config);
  const entries: ArchiveEntry[] = [
    { name: 'database', content: copyOfDatabase(config) },
    { name: 'configuration', content: readFileSync(configFile) },
    { name: 'master-key', content: masterKeyOf(config, environment) },
    ...config.certificates.files.flatMap(({ certificateFile, keyFile }) => [
      ...fileEntry(certificateFile),
      ...fileEntry(keyFile),
    ]),
  ];
  writeSynced(backupFile, sealArchive(entries, passphrase, Date.now()), 'backup');
  return entries.map(entry => entry.name);
}

export interface RestoreOptions {
  /** Where the configuration goes. */
  readonly configFile: string;
  /** Data folder in place of the one in the configuration. */
  readonly dataDir?: string;
}

export interface Restored {
  readonly config: Config;
  readonly createdAt: string;
  /** Certificate files that were not written because something is there already. */
  readonly kept: readonly string[];
}

/**
 * Puts a backup back, on the same machine or another. Nothing that exists is overwritten.
 *
 * @throws OperateError `conflict` where there is a configuration or a database already; `failed` where the backup
 * cannot be opened.
 */
export function restore(
  sealed: Buffer,
  passphrase: string,
  options: RestoreOptions,
  environment: Environment,
): Restored {
  const { entries, createdAt } = openArchive(sealed, passphrase);
  const text = entryNamed(entries, 'configuration').toString('utf8');
  const configText = options.dataDir === undefined ? text : withDataDir(text, options.dataDir);
  refuseExisting(options.configFile);

  const draft = `${options.configFile}.restoring`;
  mkdirSync(path.dirname(draft), { recursive: true });
  rmSync(draft, { force: true });
  writeSynced(draft, Buffer.from(configText), 'configuration file', 0o644);
  try {
    const config = loadConfig(draft, environment);
    const paths = dataPaths(config);
    refuseExisting(paths.database);
    // What a database that was moved away has left would be taken for changes of this one, and written into it.
    for (const suffix of ['-wal', '-journal']) refuseExisting(`${paths.database}${suffix}`);
    refuseExisting(paths.masterKey);
    writeData(paths, entries);
    const kept = entries.filter(entry => entry.name.startsWith('file:')).flatMap(putBack);
    giveToOwner(config.dataDir);
    renameSync(draft, options.configFile);
    return { config, createdAt, kept };
  } finally {
    rmSync(draft, { force: true });
  }
}

function writeData(paths: ReturnType<typeof dataPaths>, entries: readonly ArchiveEntry[]): void {
  mkdirSync(path.dirname(paths.database), { recursive: true, mode: 0o700 });
  mkdirSync(path.dirname(paths.masterKey), { recursive: true, mode: 0o700 });
  // Under its final name only when it is known to be whole, so that a full disk leaves no half set-up behind.
  const draft = `${paths.database}.restoring`;
  rmSync(draft, { force: true });
  writeSynced(draft, entryNamed(entries, 'database'), 'database');
  refuseDamaged(draft);
  writeSynced(paths.masterKey, entryNamed(entries, 'master-key'), 'master key');
  renameSync(draft, paths.database);
}

function copyOfDatabase(config: Config): Buffer {
  const { database, backups } = dataPaths(config);
  mkdirSync(backups, { recursive: true, mode: 0o700 });
  const copy = path.join(backups, `backup-${process.pid}.tmp`);
  rmSync(copy, { force: true });
  // SQLite fills an empty file that exists already, and so the copy never has wider permissions than 0600.
  closeSync(openSync(copy, 'wx', 0o600));
  try {
    const connection = new DatabaseSync(database, { timeout: 5_000 });
    try {
      connection.prepare('vacuum into ?').run(copy);
    } finally {
      connection.close();
    }
    giveToOwner(config.dataDir);
    return readFileSync(copy);
  } finally {
    rmSync(copy, { force: true });
  }
}

function masterKeyOf(config: Config, environment: Environment): Buffer {
  const fromEnvironment = environment['POSTERN_MASTER_KEY'];
  if (fromEnvironment) return Buffer.from(`${fromEnvironment.trim()}\n`);
  return readFileSync(dataPaths(config).masterKey);
}

function fileEntry(file: string): ArchiveEntry[] {
  return existsSync(file) ? [{ name: `file:${file}`, content: readFileSync(file) }] : [];
}

function putBack({ name, content }: ArchiveEntry): string[] {
  const file = name.slice('file:'.length);
  if (existsSync(file)) return readFileSync(file).equals(content) ? [] : [file];
  mkdirSync(path.dirname(file), { recursive: true });
  writeSynced(file, content, 'certificate file');
  return [];
}

function entryNamed(entries: readonly ArchiveEntry[], name: string): Buffer {
  const entry = entries.find(candidate => candidate.name === name);
  if (entry) return entry.content;
  throw new OperateError('failed', `The backup holds no ${name}.`, { remedy: 'Use another backup.' });
}

function withDataDir(text: string, dataDir: string): string {
  const document = parseDocument(text);
  document.set('dataDir', path.resolve(dataDir));
  document.delete('runDir');
  return document.toString();
}

function refuseDamaged(database: string): void {
  const connection = new DatabaseSync(database, { readOnly: true });
  try {
    const [finding] = connection.prepare('pragma integrity_check(1)').all();
    if (finding?.['integrity_check'] === 'ok') return;
  } finally {
    connection.close();
  }
  throw new OperateError('failed', 'The database in the backup is damaged.', {
    remedy: 'Use another backup.',
  });
}

function refuseExisting(file: string): void {
  if (!existsSync(file)) return;
  throw new OperateError('conflict', `${file} exists already. Nothing was changed.`, {
    remedy: 'Move it away, or name other places with --config and --data.',
  });
}

function writeSynced(file: string, content: Buffer, what: string, mode = 0o600): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'wx', mode);
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
    throw new OperateError(
      exists ? 'conflict' : 'failed',
      exists
        ? `${file} exists already.`
        : `The ${what} cannot be written to ${file}: ${(cause as Error).message}`,
      {
        remedy: exists ? 'Name another file.' : 'Name a folder that can be written to and has space.',
        cause,
      },
    );
  }
  try {
    for (let written = 0; written < content.length; ) written += writeSync(descriptor, content, written);
    fsyncSync(descriptor);
  } catch (cause) {
    rmSync(file, { force: true });
    throw new OperateError('failed', `${file} could not be written whole: ${(cause as Error).message}`, {
      remedy: 'Make space on that disk and run the command again.',
      cause,
    });
  } finally {
    closeSync(descriptor);
  }
}
