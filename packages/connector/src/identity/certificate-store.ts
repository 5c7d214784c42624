import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { thumbprintOf, validityOf } from '@postern/protocol/x509/certificate';
import { writeFileDurably } from './durable-file.ts';

/** `machine` holds what registration brought, `user` what renewal brought. */
export type StoreName = 'machine' | 'user';

/** A certificate with its private key, as found in one of the stores. */
export interface CertificatePair {
  readonly store: StoreName;
  readonly thumbprint: string;
  /** PEM. */
  readonly certificate: string;
  /** PKCS#8, PEM. */
  readonly privateKey: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Folder of a store; 0700. */
export function storeFolder(dataDir: string, store: StoreName): string {
  return join(dataDir, 'certificates', store);
}

/** A private key that is on disk, before there is a certificate whose thumbprint could name it. */
export interface PendingKey {
  /** Saves the certificate beside the key, both under its thumbprint. */
  complete(certificatePem: string): Promise<CertificatePair>;
  /** Removes the key: there will be no certificate for it. */
  discard(): Promise<void>;
}

/** Puts a new private key on disk (0600, synced), so that a certificate is never issued for a key that can be lost. */
export async function saveNewKey(dataDir: string, store: StoreName, privateKey: string): Promise<PendingKey> {
  const folder = storeFolder(dataDir, store);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // Folders that exist already keep their permissions in mkdir; a wider one is narrowed.
  await chmod(folder, 0o700);
  const pending = join(folder, `pending-${process.pid}-${Date.now()}.key`);
  await writeFileDurably(pending, privateKey, 0o600);
  return {
    async complete(certificatePem) {
      const thumbprint = thumbprintOf(new X509Certificate(certificatePem));
      await rename(pending, join(folder, `${thumbprint}.key`));
      // Syncs the folder as well, and with it the rename.
      await writeFileDurably(join(folder, `${thumbprint}.pem`), certificatePem, 0o600);
      return readPair(store, certificatePem, privateKey);
    },
    discard: () => rm(pending, { force: true }),
  };
}

/** Reads a pair by its thumbprint; null if a file is missing, cannot be read as what it is, or they do not belong together. */
export async function findPair(
  dataDir: string,
  store: StoreName,
  thumbprint: string,
): Promise<CertificatePair | null> {
  const file = join(storeFolder(dataDir, store), thumbprint);
  try {
    const [certificate, privateKey] = await Promise.all([
      readFile(`${file}.pem`, 'utf8'),
      readFile(`${file}.key`, 'utf8'),
    ]);
    const pair = readPair(store, certificate, privateKey);
    return pair.thumbprint === thumbprint ? pair : null;
  } catch {
    return null;
  }
}

/** All pairs of both stores that are valid at `now` (milliseconds since the epoch), the newest first. */
export async function findValidPairs(dataDir: string, now: number): Promise<CertificatePair[]> {
  const found = await Promise.all((['machine', 'user'] as const).map(store => pairsOf(dataDir, store)));
  return found
    .flat()
    .filter(pair => now >= pair.notBefore && now <= pair.notAfter)
    .sort((one, other) => other.notBefore - one.notBefore);
}

async function pairsOf(dataDir: string, store: StoreName): Promise<CertificatePair[]> {
  const names = await readdir(storeFolder(dataDir, store)).catch(() => []);
  const thumbprints = names.flatMap(name => /^([0-9A-F]{40})\.pem$/.exec(name)?.[1] ?? []);
  const pairs = await Promise.all(thumbprints.map(thumbprint => findPair(dataDir, store, thumbprint)));
  return pairs.filter(pair => pair !== null);
}

function readPair(store: StoreName, certificatePem: string, privateKey: string): CertificatePair {
  const certificate = new X509Certificate(certificatePem);
  if (!certificate.checkPrivateKey(createPrivateKey(privateKey))) {
    throw new Error('the private key does not belong to the certificate');
  }
  return {
    store,
    thumbprint: thumbprintOf(certificate),
    certificate: certificatePem,
    privateKey,
    ...validityOf(certificate),
  };
}
