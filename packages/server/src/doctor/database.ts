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

/** What became last of a certificate that the service gets by itself. */
export interface FailedOrder {
  readonly names: string;
  readonly error: string;
  readonly remedy: string;
}

/** Certificates with their chains, PEM, that were uploaded or that the service got by itself. */
export function readPublicCertificates(file: string): string[] {
  return query(file, 'select pem from publicCertificate').map(row => String(row['pem']));
}

/** How many certificates the service gets by itself, and those that it failed to get the last time. */
export function readFailedOrders(file: string): { readonly count: number; readonly failed: FailedOrder[] } {
  const rows = query(file, 'select namesJson, failures, lastError, lastRemedy from automaticCertificate');
  const failed = rows
    .filter(row => Number(row['failures']) > 0)
    .map(row => ({
      names: (JSON.parse(String(row['namesJson'])) as string[]).join(', '),
      error: String(row['lastError'] ?? 'no reason was noted'),
      remedy: String(row['lastRemedy'] ?? ''),
    }));
  return { count: rows.length, failed };
}

/** Hosts of enabled applications, sorted; a wildcard's with a label in its place, which it has to stand for. */
export function readPublishedHosts(file: string): string[] {
  const rows = query(
    file,
    'select externalUrl from application where externalUrl is not null and accountEnabled = 1',
  );
  return [...new Set(rows.flatMap(row => hostOf(String(row['externalUrl']))))].sort();
}

/** Rows, or none where the database cannot be read or has no such table yet: the group of the store says why. */
function query(file: string, statement: string): Record<string, unknown>[] {
  if (!existsSync(file)) return [];
  let db: DatabaseSync | null = null;
  try {
    db = openForLooking(file);
    return db.prepare(statement).all();
  } catch {
    return [];
  } finally {
    db?.close();
  }
}

function hostOf(url: string): string[] {
  const host = /^https?:\/\/([^/:]+)/.exec(url)?.[1];
  return host === undefined ? [] : [host.replaceAll('*', 'postern-doctor')];
}
