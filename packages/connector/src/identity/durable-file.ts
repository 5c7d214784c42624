import { chmod, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/**
 * What the connector's identity needs of a file system, an operation each: what was written is there after a loss of
 * power only once it was synced, and so are the names in a folder. Tests put a file system of their own here, which
 * fails between any two of them.
 */
export interface DurableFiles {
  read(file: string): Promise<string>;
  /** Names of what is in a folder. */
  list(folder: string): Promise<string[]>;
  /** When a file was last written, in milliseconds since the epoch. */
  writtenAt(file: string): Promise<number>;
  /** Makes a folder unless it is there. Its parent has to exist. */
  makeFolder(folder: string, mode: number): Promise<void>;
  /** Creates a file that must not exist. */
  create(file: string, mode: number): Promise<NewFile>;
  rename(from: string, to: string): Promise<void>;
  /** Whether or not it is there. */
  remove(file: string): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  syncFolder(folder: string): Promise<void>;
}

/** A file that is being written. */
export interface NewFile {
  write(content: string): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The machine's own files. */
export const machineFiles: DurableFiles = {
  read: file => readFile(file, 'utf8'),
  list: folder => readdir(folder),
  writtenAt: async file => (await stat(file)).mtimeMs,
  async makeFolder(folder, mode) {
    try {
      await mkdir(folder, { mode });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  },
  async create(file, mode) {
    const handle = await open(file, 'wx', mode);
    return {
      write: content => handle.writeFile(content),
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },
  rename,
  remove: file => rm(file, { force: true }),
  setMode: chmod,
  async syncFolder(folder) {
    // Windows cannot open folders, and needs no such call.
    if (process.platform === 'win32') return;
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

/**
 * Replaces a file so that, whatever happens, either the old or the new content is there: temporary file, fsync, rename,
 * fsync of the folder.
 *
 * @param mode Permissions of the file, such as 0o600.
 */
export async function writeFileDurably(
  file: string,
  content: string,
  mode: number,
  files: DurableFiles = machineFiles,
): Promise<void> {
  const temporary = `${file}.new`;
  // A leftover of an interrupted write would keep its own permissions.
  await files.remove(temporary);
  const handle = await files.create(temporary, mode);
  try {
    await handle.write(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await files.rename(temporary, file);
  await files.syncFolder(dirname(file));
}

/**
 * Makes the folders below the data folder that are missing (0700), each synced in its parent: a synced file is lost with
 * the folder around it. Those that exist are synced likewise, since whoever made them may not have come that far.
 *
 * @returns the innermost.
 */
export async function makeFoldersDurably(
  dataDir: string,
  names: readonly string[],
  files: DurableFiles = machineFiles,
): Promise<string> {
  await makeDataFolder(dataDir, files);
  let folder = dataDir;
  for (const name of names) {
    const parent = folder;
    folder = join(parent, name);
    await files.makeFolder(folder, 0o700);
    await files.syncFolder(parent);
  }
  return folder;
}

async function makeDataFolder(folder: string, files: DurableFiles): Promise<void> {
  try {
    await files.makeFolder(folder, 0o700);
  } catch (error) {
    const parent = dirname(folder);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === folder) throw error;
    await makeDataFolder(parent, files);
    await files.makeFolder(folder, 0o700);
  }
  try {
    await files.syncFolder(dirname(folder));
  } catch (error) {
    // Not everybody may read the folder that theirs is in; then it was made by somebody else, who saw to this.
    if (!['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
