import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Returns when a file's content, or a folder's list of names, would survive a power cut. */
export function syncToDisk(fileOrFolder: string): void {
  const descriptor = openSync(fileOrFolder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
