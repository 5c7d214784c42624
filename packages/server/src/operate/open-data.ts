import { chownSync, lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Kysely } from 'kysely';
import type { Environment } from '../config/load.ts';
import { dataPaths } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { loadMasterKey } from '../store/master-key.ts';
import { openStore } from '../store/open.ts';
import type { Database } from '../store/schema.ts';
import { hasSealedSecrets, SealedSecrets } from '../store/sealed-secrets.ts';

/** The data of a service that has been set up, opened for one command. */
export interface OpenData extends AsyncDisposable {
  readonly db: Kysely<Database>;
  readonly secrets: SealedSecrets;
}

/** Opens the database and the master key, making both where they do not exist yet. */
export async function openData(config: Config, environment: Environment): Promise<OpenData> {
  const paths = dataPaths(config);
  const db = await openStore(paths.database, { backupsDir: paths.backups });
  try {
    const masterKey = loadMasterKey({
      file: paths.masterKey,
      fromEnvironment: environment['POSTERN_MASTER_KEY'],
      mayCreate: !(await hasSealedSecrets(db)),
    });
    const secrets = new SealedSecrets(db, masterKey);
    return { db, secrets, [Symbol.asyncDispose]: () => db.destroy() };
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

/**
 * Gives what a command has made in the data folder to the folder's owner. The operator runs commands as root while the
 * service runs as a user of its own, who could not open files that belong to root.
 */
export function giveToOwner(dataDir: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = lstatSync(dataDir);
  if (uid === 0) return;
  for (const name of readdirSync(dataDir, { recursive: true, encoding: 'utf8' })) {
    const entry = path.join(dataDir, name);
    const owned = lstatSync(entry, { throwIfNoEntry: false });
    if (owned?.isSymbolicLink() === false && owned.uid === 0) chownSync(entry, uid, gid);
  }
}
