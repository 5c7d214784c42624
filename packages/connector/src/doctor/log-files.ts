import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logFilePath } from '../events/log-file.ts';

const commandLog = /^postern-connector-(install|register|uninstall)-\d{8}T\d{6}Z(-\d{1,2})?\.log$/;

/**
 * The files on this machine that say what happened before: the newest log of each command that leaves one behind, newest
 * first, then the admin log.
 *
 * @param folder Where the commands leave their logs.
 */
export function findLogFiles(dataDir: string, folder = tmpdir()): string[] {
  const newest = new Map<string, string>();
  for (const name of namesIn(folder)) {
    const command = commandLog.exec(name)?.[1];
    // The names of one command are in the order of their times.
    if (command !== undefined && name > (newest.get(command) ?? '')) newest.set(command, name);
  }
  const timeOf = (name: string) => name.replace(/^[a-z-]*/, '');
  const logs = [...newest.values()].sort((one, other) => (timeOf(one) < timeOf(other) ? 1 : -1));
  return [...logs.map(name => join(folder, name)), logFilePath(dataDir, 'admin')].filter(isThere);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isThere(file: string): boolean {
  return existsSync(file);
}
