import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
} from 'node:fs';

/**
 * Does what writes into a connector's data folder. Root does it with the rights of the folder's owner, so that the
 * service, which runs as a user of its own, can read it, and so that no link in that user's folder leads root elsewhere.
 */
export async function asDataOwner<T>(dataDir: string, act: () => Promise<T>): Promise<T> {
  const owner = lstatSync(dataDir, { throwIfNoEntry: false });
  if (owner === undefined || owner.uid === 0 || process.geteuid?.() !== 0) return act();
  // The group first: afterwards there is no right to change it. Both count for the threads of the file system, too.
  process.setegid?.(owner.gid);
  process.seteuid?.(owner.uid);
  try {
    return await act();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

/**
 * Makes a data folder if there is none and gives it, with everything in it, to a user: folders 0700, files 0600.
 *
 * The user may own the folder already and be somebody else's puppet. Therefore nothing is reached by a path through it:
 * each entry is opened below its opened folder (`/proc/self/fd`), links are neither followed nor changed, and neither are
 * files that have a second name.
 *
 * @returns whether anything had to be changed.
 */
export function giveDataFolder(
  dataDir: string,
  owner: { readonly uid: number; readonly gid: number },
): boolean {
  const isNew = lstatSync(dataDir, { throwIfNoEntry: false }) === undefined;
  if (isNew) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  return give(dataDir, owner, true) || isNew;
}

function give(
  file: string,
  owner: { readonly uid: number; readonly gid: number },
  isFolder: boolean,
): boolean {
  const kind = isFolder ? constants.O_DIRECTORY : 0;
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | kind);
  try {
    const { uid, gid, mode, nlink } = fstatSync(fd);
    if (!isFolder && nlink > 1) return false;
    let changed = false;
    if (isFolder) {
      for (const entry of readdirSync(`/proc/self/fd/${fd}`, { withFileTypes: true })) {
        if (!entry.isDirectory() && !entry.isFile()) continue;
        changed = give(`/proc/self/fd/${fd}/${entry.name}`, owner, entry.isDirectory()) || changed;
      }
    }
    const wanted = isFolder ? 0o700 : 0o600;
    if ((mode & 0o777) !== wanted) {
      fchmodSync(fd, wanted);
      changed = true;
    }
    if (uid !== owner.uid || gid !== owner.gid) {
      fchownSync(fd, owner.uid, owner.gid);
      changed = true;
    }
    return changed;
  } finally {
    closeSync(fd);
  }
}
