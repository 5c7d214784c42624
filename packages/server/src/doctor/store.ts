import { existsSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { failed, notRun, type Outcome, passed, warning } from '@postern/protocol/doctor/check';
import { DEFAULT_MIGRATION_TABLE } from 'kysely/migration';
import { migrations } from '../store/migrate.ts';
import type { ServiceCheck, ServiceContext } from './context.ts';
import { openForLooking } from './database.ts';

const mebibyte = 1024 * 1024;
const leastBytes = 100 * mebibyte;
const fewBytes = 1_024 * mebibyte;
const largeLogBytes = 256 * mebibyte;

/** The database and the disk that it is on. */
export const storeChecks: readonly ServiceCheck[] = [
  {
    id: 'store.disk',
    title: 'The disk of the data folder has space left',
    otherwise: 'Nothing can be changed any more: sign-ins, registrations and settings fail.',
    run: context => examineDisk(context),
  },
  {
    id: 'store.folder',
    title: 'The data folder can be written',
    otherwise: 'The service cannot start, or loses what it is told.',
    run: context => examineFolder(context),
  },
  {
    id: 'store.database',
    title: 'The database can be read, and its pages agree with each other',
    otherwise: 'The service does not start with a damaged database.',
    limitMs: 15_000,
    run: context => examineDatabase(context),
  },
  {
    id: 'store.schema',
    title: 'The tables are those of this release',
    otherwise:
      'An older release cannot use what a newer one has changed; a newer one brings them up to date when it starts.',
    needs: ['store.database'],
    run: context => examineSchema(context),
  },
  {
    id: 'store.wal',
    title: 'Changes go to a write-ahead log of usual size',
    otherwise: 'A warning: without it a change may be lost in a power cut, and a large one slows the start.',
    needs: ['store.database'],
    run: context => examineLog(context),
  },
  {
    id: 'store.writable',
    title: 'A transaction can begin',
    otherwise: 'Another program holds the database, or its file may only be read.',
    needs: ['store.database', 'store.folder'],
    run: context => beginTransaction(context),
  },
];

function examineDisk({ config }: ServiceContext): Outcome {
  if (!existsSync(config.dataDir)) return notRun(`There is no ${config.dataDir}.`);
  const { bavail, bsize, ffree, files } = statfsSync(config.dataDir);
  const free = bavail * bsize;
  const observation = {
    tried: `space and inodes where ${config.dataDir} is`,
    seen: `${Math.floor(free / mebibyte)} MiB and ${files === 0 ? 'unlimited' : ffree} inodes free`,
    command: `df -h ${config.dataDir}`,
  };
  const remedy = `Make room on the disk of ${config.dataDir}; copies from before migrations are in ${path.join(config.dataDir, 'backups')}.`;
  if (free < leastBytes || (files > 0 && ffree < 100)) {
    return failed(observation, 'The disk is full, or nearly so.', remedy);
  }
  if (free < fewBytes) return warning(observation, 'Little space is left on the disk.', remedy);
  return passed(observation);
}

function examineFolder({ config }: ServiceContext): Outcome {
  const { dataDir } = config;
  const file = path.join(dataDir, `.doctor-${process.pid}`);
  const observe = (seen: string) => ({
    tried: `writing 4 KiB into ${dataDir}`,
    seen,
    command: `touch ${path.join(dataDir, '.test')} && rm ${path.join(dataDir, '.test')}`,
  });
  try {
    // Synced: a full disk may say so only then.
    writeFileSync(file, Buffer.alloc(4_096), { mode: 0o600, flag: 'wx', flush: true });
    return passed(observe('written and removed'));
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const remedy =
      code === 'EACCES' || code === 'EPERM'
        ? `Run the doctor as root or as the user that owns ${dataDir}; or give the folder to the user of the service with chown -R.`
        : code === 'EROFS'
          ? 'Look into the log of the kernel (`dmesg`), and mount the disk writable again.'
          : code === 'ENOENT'
            ? 'Run `postern init` to set the service up, or correct the option dataDir.'
            : `Make room on the disk of ${dataDir}, or repair it.`;
    return failed(observe(message), `${dataDir} cannot be written (${code || message}).`, remedy);
  } finally {
    rmSync(file, { force: true });
  }
}

function examineDatabase({ paths }: ServiceContext): Outcome {
  const { database } = paths;
  const observe = (seen: string) => ({
    tried: `quick_check of ${database}`,
    seen,
    command: `sqlite3 ${database} 'pragma quick_check'`,
  });
  if (!existsSync(database)) {
    return failed(
      observe('no such file'),
      `There is no database ${database}.`,
      'Run `postern init` to set the service up, or `postern restore` to put a backup back; or correct the option dataDir.',
    );
  }
  let db: DatabaseSync | null = null;
  try {
    db = openForLooking(database);
    const said = db
      .prepare('pragma quick_check(3)')
      .all()
      .map(row => String(row['quick_check']));
    if (said.length === 1 && said[0] === 'ok') return passed(observe('ok'));
    return failed(
      observe(said.join('; ')),
      'The database is damaged.',
      'Stop the service, keep a copy of the data folder, and put the last backup back with `postern restore`. Then look at the disk.',
    );
  } catch (error) {
    const { message } = error as Error;
    return failed(
      observe(message),
      `The database cannot be read: ${message}.`,
      `Is it the right file, and may this user read it? Else stop the service, keep a copy of the data folder, and put the last backup back with \`postern restore\`.`,
    );
  } finally {
    db?.close();
  }
}

function examineSchema({ paths, running }: ServiceContext): Outcome {
  const done = looking(paths.database, db =>
    db
      .prepare(`select name from ${DEFAULT_MIGRATION_TABLE} order by name`)
      .all()
      .map(row => String(row['name'])),
  );
  const known = Object.keys(migrations);
  const unknown = done.filter(name => !known.includes(name));
  const pending = known.filter(name => !done.includes(name));
  const observation = {
    tried: `the migrations of ${paths.database}`,
    seen: `${done.at(-1) ?? 'none'} is the last; this release knows ${known.at(-1)}`,
    command: `sqlite3 ${paths.database} 'select name from ${DEFAULT_MIGRATION_TABLE}'`,
  };
  if (unknown.length > 0) {
    return failed(
      observation,
      `A newer release has changed the tables (${unknown.join(', ')}).`,
      'Use that release, or go back with `postern rollback`, which loses what was changed since.',
    );
  }
  if (pending.length === 0) return passed(observation);
  return warning(
    observation,
    `${pending.length} migrations of this release are not done yet${running === null ? '' : ': an older release runs'}.`,
    `They are done, after a copy, when the service of this release starts: ${running === null ? 'start' : 'restart'} it.`,
  );
}

function examineLog({ paths }: ServiceContext): Outcome {
  const mode = looking(paths.database, db =>
    String(db.prepare('pragma journal_mode').get()?.['journal_mode']),
  );
  const size = statSync(`${paths.database}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  const observation = {
    tried: `journal_mode and ${paths.database}-wal`,
    seen: `${mode}, ${Math.round(size / 1024)} KiB`,
    command: `sqlite3 ${paths.database} 'pragma journal_mode'; ls -l ${paths.database}-wal`,
  };
  if (mode !== 'wal') {
    return warning(
      observation,
      `The database keeps another kind of journal (${mode}); the service sets it when it starts.`,
      'Restart the service. Is the data folder on a network disk? SQLite needs a local one.',
    );
  }
  if (size > largeLogBytes) {
    return warning(
      observation,
      'The write-ahead log has grown large: something has read the database for long.',
      'End programs that hold the database open (`lsof`), and restart the service.',
    );
  }
  return passed(observation);
}

/** Begins and takes back: nothing is written, but whoever may not or cannot write is told so. */
function beginTransaction({ paths }: ServiceContext): Outcome {
  const observe = (seen: string) => ({
    tried: `begin immediate; rollback in ${paths.database}`,
    seen,
    command: `sqlite3 -cmd '.timeout 3000' ${paths.database} 'begin immediate; rollback'`,
  });
  let db: DatabaseSync | null = null;
  try {
    db = new DatabaseSync(paths.database, { timeout: 3_000 });
    db.exec('begin immediate');
    db.exec('rollback');
    return passed(observe('begun and taken back'));
  } catch (error) {
    const { message } = error as Error;
    const isLocked = /locked|busy/i.test(message);
    return failed(
      observe(message),
      isLocked
        ? 'Another program has held the database for longer than 3 s.'
        : `The database cannot be written: ${message}.`,
      isLocked
        ? 'See who holds it (`lsof`): a backup or a program that hangs. The service itself holds it for milliseconds.'
        : `Give ${paths.database} to the user of the service, and see that its disk is not read-only.`,
    );
  } finally {
    db?.close();
  }
}

function looking<T>(file: string, look: (db: DatabaseSync) => T): T {
  const db = openForLooking(file);
  try {
    return look(db);
  } finally {
    db.close();
  }
}
