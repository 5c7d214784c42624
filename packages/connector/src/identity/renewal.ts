import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { RenewalRefusal } from '@postern/protocol/tunnel/messages';
import { type CertificatePair, connectorIdOf, findValidPairs, saveNewKey } from './certificate-store.ts';
import { type DurableFiles, machineFiles, makeFoldersDurably } from './durable-file.ts';
import type { KeyKind, NewKey } from './proof.ts';
import { readTrustSettings, writeTrustSettings } from './trust-settings.ts';

/** Why a renewal failed; the certificate in use goes on serving. */
export class RenewalError extends Error {
  /**
   * What the service answered, or:
   * - `no_tunnel`: none is up to ask through.
   * - `no_answer`: the service did not answer in time, or the tunnel ended before.
   * - `bad_certificate`: what came is no certificate for the new key.
   * - `not_accepted`: the service accepted no tunnel with the new certificate.
   * - `files`: key, certificate or trust settings could not be written.
   * - `superseded`: another identity was written meanwhile, by `register`; that one counts.
   */
  readonly code:
    | RenewalRefusal
    | 'no_tunnel'
    | 'no_answer'
    | 'bad_certificate'
    | 'not_accepted'
    | 'files'
    | 'superseded';

  constructor(code: RenewalError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What a renewal needs of the running connector. */
export interface RenewalSteps {
  readonly dataDir: string;
  /** Milliseconds since the epoch, as the service counts them. */
  readonly now: () => number;
  readonly createKey: (kind: KeyKind) => Promise<NewKey>;
  /**
   * Asks the service, through the tunnel, for a certificate (PEM).
   *
   * @throws RenewalError
   */
  readonly request: (proofCertificate: string) => Promise<string>;
  /**
   * Opens a tunnel with a new pair; resolves when the service has accepted it.
   *
   * @throws Error saying why it did not.
   */
  readonly tryPair: (pair: CertificatePair) => Promise<void>;
  readonly files?: DurableFiles;
}

/**
 * Renews the trust certificate: a new key of the same kind, its certificate from the service, a tunnel with it, and only
 * then the trust settings. The order on disk is key, certificate, folder, trust settings, each synced before the next; the
 * old pair stays, so that whatever is interrupted leaves one that works.
 *
 * A certificate that an interrupted renewal has left is used before another one is asked for.
 *
 * @param current The pair in use.
 * @returns the pair to use from now on.
 * @throws RenewalError
 */
export async function renewIdentity(steps: RenewalSteps, current: CertificatePair): Promise<CertificatePair> {
  const { dataDir, files = machineFiles } = steps;
  const named = await namedIn(dataDir, files);
  const pair = (await findLeftOver(steps, current)) ?? (await obtain(steps, current));
  if ((await namedIn(dataDir, files)) !== named) {
    throw new RenewalError('superseded', 'another identity was written meanwhile');
  }
  const isInUserStore = pair.store === 'user';
  await onDisk(() => writeTrustSettings(dataDir, { thumbprint: pair.thumbprint, isInUserStore }, files));
  return pair;
}

/**
 * When a certificate is to be renewed: after two thirds of its life, less a jitter of up to a twentieth of it, so that
 * connectors that were registered together do not renew together. The jitter is the certificate's own: asked again, the
 * answer is the same.
 *
 * @returns milliseconds since the epoch.
 */
export function renewalDueAt({ notBefore, notAfter, thumbprint }: CertificatePair): number {
  const lifeMs = notAfter - notBefore;
  const jitter = Number.parseInt(thumbprint.slice(0, 8), 16) / 2 ** 32;
  return Math.round(notBefore + (lifeMs * 2) / 3 - (jitter * lifeMs) / 20);
}

/** The thumbprint in the trust settings; null where they cannot be read, and a renewal puts them right. */
async function namedIn(dataDir: string, files: DurableFiles): Promise<string | null> {
  return (await readTrustSettings(dataDir, files).catch(() => null))?.thumbprint ?? null;
}

async function findLeftOver(steps: RenewalSteps, current: CertificatePair): Promise<CertificatePair | null> {
  const { dataDir, now, files = machineFiles, tryPair } = steps;
  const connectorId = connectorIdOf(current);
  const pairs = await findValidPairs(dataDir, now(), files);
  const newest = pairs.find(pair => connectorIdOf(pair) === connectorId);
  const isNewer = newest !== undefined && newest.notBefore > current.notBefore;
  if (!isNewer || newest.store !== 'user' || now() >= renewalDueAt(newest)) return null;
  // Whoever wrote it may have been killed before its name was synced.
  const folder = await onDisk(() => makeFoldersDurably(dataDir, ['certificates', 'user'], files));
  await onDisk(() => files.syncFolder(folder));
  try {
    await tryPair(newest);
    return newest;
  } catch {
    // The service may not know it, as after a restore of an older backup; a new one is asked for.
    return null;
  }
}

async function obtain(steps: RenewalSteps, current: CertificatePair): Promise<CertificatePair> {
  const { dataDir, files = machineFiles } = steps;
  const { privateKey, proofCertificate } = await steps.createKey(kindOf(current));
  const pending = await onDisk(() => saveNewKey(dataDir, 'user', privateKey, files));
  let certificate: string;
  try {
    certificate = await steps.request(proofCertificate);
    assertFits(certificate, privateKey);
  } catch (error) {
    await pending.discard().catch(() => {});
    throw error;
  }
  const pair = await onDisk(() => pending.complete(certificate));
  try {
    await steps.tryPair(pair);
  } catch (cause) {
    throw new RenewalError('not_accepted', `no tunnel with the new certificate: ${messageOf(cause)}`, {
      cause,
    });
  }
  return pair;
}

function kindOf({ privateKey }: CertificatePair): KeyKind {
  return createPrivateKey(privateKey).asymmetricKeyType === 'rsa' ? 'rsa3072' : 'p384';
}

function assertFits(certificate: string, privateKey: string): void {
  let fits = false;
  try {
    fits = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey));
  } catch (cause) {
    throw new RenewalError('bad_certificate', `the service sent no certificate: ${messageOf(cause)}`, {
      cause,
    });
  }
  if (!fits) throw new RenewalError('bad_certificate', 'the service sent a certificate for another key');
}

async function onDisk<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw new RenewalError('files', messageOf(cause), { cause });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
