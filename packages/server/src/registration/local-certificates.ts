import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isDueForRenewal, issueServerLeaf } from './authorities.ts';
import type { Signer } from './signer.ts';

/** Files with the certificates of the local authority, PEM. */
export interface LocalCertificateFiles {
  /** The authority: what people import into their browser. */
  readonly authorityFile: string;
  /** Leaf for `<domain>` and `*.<domain>`, followed by the authority. */
  readonly certificateFile: string;
  /** Mode 0600. */
  readonly keyFile: string;
}

/**
 * Writes the certificates for the public names into `<dataDir>/certificates/`, where the relay reads them. Kept files
 * stay as they are until two thirds of the leaf's life are over, or unless they are missing, broken or of another
 * authority. To be called at start and then every few hours; the relay reloads files that change.
 */
export async function writeLocalCertificates(
  signer: Signer,
  domain: string,
  dataDir: string,
  now: number,
): Promise<LocalCertificateFiles> {
  const folder = join(dataDir, 'certificates');
  const files = {
    authorityFile: join(folder, 'local-ca.pem'),
    certificateFile: join(folder, `local-${domain}.pem`),
    keyFile: join(folder, `local-${domain}.key`),
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if ((await readOrNull(files.authorityFile)) !== signer.certificate) {
    await replaceFile(files.authorityFile, signer.certificate, 0o644);
  }
  if (await isUsable(files, signer, domain, now)) return files;
  const leaf = await issueServerLeaf(signer, [domain, `*.${domain}`], now);
  // The key first: a reader that sees the old certificate with the new key reloads when the certificate changes.
  await replaceFile(files.keyFile, leaf.privateKey, 0o600);
  await replaceFile(files.certificateFile, leaf.certificate + signer.certificate, 0o644);
  return files;
}

async function isUsable(
  files: LocalCertificateFiles,
  signer: Signer,
  domain: string,
  now: number,
): Promise<boolean> {
  const [certificatePem, keyPem] = await Promise.all([
    readOrNull(files.certificateFile),
    readOrNull(files.keyFile),
  ]);
  if (certificatePem === null || keyPem === null) return false;
  try {
    const certificate = new X509Certificate(certificatePem);
    return (
      certificate.verify(new X509Certificate(signer.certificate).publicKey) &&
      certificate.checkPrivateKey(createPrivateKey(keyPem)) &&
      certificate.checkHost(`login.${domain}`) !== undefined &&
      !isDueForRenewal(certificate, now)
    );
  } catch {
    return false;
  }
}

async function readOrNull(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function replaceFile(file: string, text: string, mode: number): Promise<void> {
  const temporary = `${file}.new`;
  const handle = await open(temporary, 'w', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  // The mode given to open counts only for a file that did not exist.
  await chmod(temporary, mode);
  await rename(temporary, file);
}
