import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { thumbprintOf, validityOf } from '@postern/protocol/x509/certificate';
import { type DurableFiles, machineFiles, makeFoldersDurably, writeFileDurably } from './durable-file.ts';

/** `machine` holds what registration brought, `user` what renewal brought. */
export type StoreName = 'machine' | 'user';

export const storeNames: readonly StoreName[] = ['machine', 'user'];

/** First and last moment, in milliseconds since the epoch. */
type Validity = ReturnType<typeof validityOf>;

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
export async function saveNewKey(
  dataDir: string,
  store: StoreName,
  privateKey: string,
  files: DurableFiles = machineFiles,
): Promise<PendingKey> {
  const folder = await makeFoldersDurably(dataDir, ['certificates', store], files);
  // Folders that exist already keep their permissions; a wider one is narrowed.
  await files.setMode(folder, 0o700);
  const pending = join(folder, `pending-${process.pid}-${Date.now()}.key`);
  await writeFileDurably(pending, privateKey, 0o600, files);
  return {
    async complete(certificatePem) {
      const pair = readPair(store, certificatePem, privateKey);
      await files.rename(pending, join(folder, `${pair.thumbprint}.key`));
      // Syncs the folder as well, and with it the rename.
      await writeFileDurably(join(folder, `${pair.thumbprint}.pem`), certificatePem, 0o600, files);
      return pair;
    },
    discard: () => files.remove(pending),
  };
}

/** Reads a pair by its thumbprint; null if a file is missing, cannot be read as what it is, or they do not belong together. */
export async function findPair(
  dataDir: string,
  store: StoreName,
  thumbprint: string,
  files: DurableFiles = machineFiles,
  isWanted: (validity: Validity) => boolean = () => true,
): Promise<CertificatePair | null> {
  const file = join(storeFolder(dataDir, store), thumbprint);
  try {
    const [certificate, privateKey] = await Promise.all([
      files.read(`${file}.pem`),
      files.read(`${file}.key`),
    ]);
    // Keys are slow to read, and a store may hold the certificates of years.
    if (!isWanted(validityOf(new X509Certificate(certificate)))) return null;
    const pair = readPair(store, certificate, privateKey);
    return pair.thumbprint === thumbprint ? pair : null;
  } catch {
    return null;
  }
}

/** All pairs of both stores that are valid at `now` (milliseconds since the epoch), the newest first. */
export async function findValidPairs(
  dataDir: string,
  now: number,
  files: DurableFiles = machineFiles,
): Promise<CertificatePair[]> {
  const isValid = ({ notBefore, notAfter }: Validity) => now >= notBefore && now <= notAfter;
  const found = await Promise.all(storeNames.map(store => pairsOf(dataDir, store, files, isValid)));
  return found.flat().sort((one, other) => other.notBefore - one.notBefore);
}

/** All pairs of both stores, valid or not, the newest first. */
export async function findAllPairs(
  dataDir: string,
  files: DurableFiles = machineFiles,
): Promise<CertificatePair[]> {
  const found = await Promise.all(storeNames.map(store => pairsOf(dataDir, store, files, () => true)));
  return found.flat().sort((one, other) => other.notBefore - one.notBefore);
}

/** The connector that a pair was issued to, as the service wrote it into the certificate; null where it names none. */
export function connectorIdOf({ certificate }: CertificatePair): string | null {
  return /^CN=(.*)$/m.exec(new X509Certificate(certificate).subject)?.[1] ?? null;
}

async function pairsOf(
  dataDir: string,
  store: StoreName,
  files: DurableFiles,
  isWanted: (validity: Validity) => boolean,
): Promise<CertificatePair[]> {
  const names = await files.list(storeFolder(dataDir, store)).catch(() => []);
  const thumbprints = names.flatMap(name => /^([0-9A-F]{40})\.pem$/.exec(name)?.[1] ?? []);
  const pairs = await Promise.all(
    thumbprints.map(thumbprint => findPair(dataDir, store, thumbprint, files, isWanted)),
  );
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
