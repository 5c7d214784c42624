import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const busyTimeoutMs = 2_000;

/**
 * Opens the database for looking only: nothing is made, migrated or written, whether the service runs or not.
 *
 * @throws what node:sqlite says.
 */
export function openForLooking(file: string): DatabaseSync {
  return new DatabaseSync(file, { readOnly: true, timeout: busyTimeoutMs });
}

/** Hosts of enabled applications, sorted; a wildcard's with a label in its place, which it has to stand for. */
export function readPublishedHosts(file: string): string[] {
  if (!existsSync(file)) return [];
  let db: DatabaseSync | null = null;
  try {
    db = openForLooking(file);
    const rows = db
      .prepare('select externalUrl from application where externalUrl is not null and accountEnabled = 1')
      .all();
    const hosts = rows.flatMap(row => hostOf(String(row['externalUrl'])));
    return [...new Set(hosts)].sort();
  } catch {
    // What is wrong with the database, the group of the store says.
    return [];
  } finally {
    db?.close();
  }
}

function hostOf(url: string): string[] {
  const host = /^https?:\/\/([^/:]+)/.exec(url)?.[1];
  return host === undefined ? [] : [host.replaceAll('*', 'postern-doctor')];
}
