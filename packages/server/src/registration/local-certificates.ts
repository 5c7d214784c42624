import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { isDueForRenewal, issueServerLeaf } from './authorities.ts';
import type { RotatingAuthority } from './rotating-authority.ts';

/** The local authority, with those before and after it. */
type LocalAuthority = Pick<RotatingAuthority, 'all' | 'current' | 'former'>;

/** Files with the certificates of the local authority, PEM. */
export interface LocalCertificateFiles {
  /** Every authority that is trusted, the next one included: what people import into their browser. */
  readonly authorityFile: string;
  /** Leaf for `<domain>` and `*.<domain>`, followed by the way to the oldest authority that is still trusted. */
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
  authority: LocalAuthority,
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
  const trusted = authority.all.map(({ certificate }) => certificate).join('');
  if ((await readOrNull(files.authorityFile)) !== trusted) {
    await replaceFile(files.authorityFile, trusted, 0o644);
  }
  if (await isUsable(files, authority, domain, now)) return files;
  const leaf = await issueServerLeaf(authority.current, [domain, `*.${domain}`], now);
  // The key first: a reader that sees the old certificate with the new key reloads when the certificate changes.
  await replaceFile(files.keyFile, leaf.privateKey, 0o600);
  await replaceFile(files.certificateFile, leaf.certificate + chainOf(authority), 0o644);
  return files;
}

/** From the authority that signs to the oldest one: for those who trust any of them. */
function chainOf({ current, former }: LocalAuthority): string {
  let chain = '';
  let signer = current;
  for (const before of former.map(one => one.signer).reverse()) {
    if (signer.crossCertificate === null) break;
    chain += signer.crossCertificate;
    signer = before;
  }
  return chain + signer.certificate;
}

async function isUsable(
  files: LocalCertificateFiles,
  authority: LocalAuthority,
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
      certificate.verify(new X509Certificate(authority.current.certificate).publicKey) &&
      certificatePem.endsWith(chainOf(authority)) &&
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
