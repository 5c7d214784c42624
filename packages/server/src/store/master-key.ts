import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { StoreError, translateStorageError } from './store-error.ts';
import { syncToDisk } from './sync-to-disk.ts';

export const masterKeyBytes = 32;

export interface MasterKeySource {
  /** The file `<dataDir>/keys/master.key`: the key in base64, 0600. */
  readonly file: string;
  /** POSTERN_MASTER_KEY: 32 bytes in base64; wins over the file, which is then neither read nor written. */
  readonly fromEnvironment?: string;
  /** False where the database holds sealed secrets already: a new key could not unseal them. */
  readonly mayCreate: boolean;
}

/**
 * Gives the master key, making one at the first start.
 *
 * @throws StoreError `master_key_missing`, `master_key_invalid`, `storage_failed`, `storage_full`.
 */
export function loadMasterKey({ file, fromEnvironment, mayCreate }: MasterKeySource): Buffer {
  if (fromEnvironment !== undefined && fromEnvironment !== '') {
    return decodeKey(fromEnvironment, 'POSTERN_MASTER_KEY');
  }
  try {
    return readOrCreateKey(file, mayCreate);
  } catch (error) {
    throw translateStorageError(error, file);
  }
}

function readOrCreateKey(file: string, mayCreate: boolean): Buffer {
  const existing = readKey(file);
  if (existing !== null) return existing;
  if (!mayCreate) {
    throw new StoreError(
      'master_key_missing',
      `${file} is missing, and the database holds secrets sealed with it. Put the file back, or set POSTERN_MASTER_KEY.`,
    );
  }
  createKey(file);
  return decodeKey(readFileSync(file, 'utf8'), file);
}

function readKey(file: string): Buffer | null {
  try {
    return decodeKey(readFileSync(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

function decodeKey(text: string, source: string): Buffer {
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length === masterKeyBytes) return key;
  throw new StoreError(
    'master_key_invalid',
    `${source} must hold ${masterKeyBytes} bytes in base64; it holds ${key.length}.`,
  );
}

/**
 * Written whole under another name and linked, so that neither a crash nor a second program that starts at the same
 * moment can leave half a key or replace one that is in use.
 */
function createKey(file: string): void {
  const folder = path.dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}.new`;
  const descriptor = openSync(draft, 'w', 0o600);
  try {
    writeSync(descriptor, `${randomBytes(masterKeyBytes).toString('base64')}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  try {
    linkSync(draft, file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  syncToDisk(folder);
}
