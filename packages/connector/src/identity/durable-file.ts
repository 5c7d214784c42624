import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces a file so that, whatever happens, either the old or the new content is there: temporary file, fsync, rename,
 * fsync of the folder.
 *
 * @param mode Permissions of the file, such as 0o600.
 */
export async function writeFileDurably(file: string, content: string, mode: number): Promise<void> {
  const temporary = `${file}.new`;
  // A leftover of an interrupted write would keep its own permissions.
  await rm(temporary, { force: true });
  const handle = await open(temporary, 'wx', mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  await syncFolder(dirname(file));
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open folders, and needs no such call.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
