import { createPublicKey } from 'node:crypto';
import {
  type CertificatePair,
  type StoreName,
  saveNewKey,
} from '@postern/connector/identity/certificate-store';
import { createKey } from '@postern/connector/identity/proof';
import type { Signer } from '@postern/server/registration/signer';

/** Where a pair goes to, and from when until when its certificate is valid, in milliseconds since the epoch. */
export interface PairToAdd {
  readonly dataDir: string;
  readonly store: StoreName;
  readonly authority: Signer;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Whom the certificate is issued to. Default `c-1`. */
  readonly connectorId?: string;
}

/** Puts a new key and its certificate into a store, as registration and renewal do. */
export async function addPair(pair: PairToAdd): Promise<CertificatePair> {
  const { privateKey } = await createKey('p384');
  const pending = await saveNewKey(pair.dataDir, pair.store, privateKey);
  const certificate = await pair.authority.issue({
    publicKey: createPublicKey(privateKey),
    commonName: pair.connectorId ?? 'c-1',
    organization: 'srv-01',
    usage: 'clientAuth',
    notBefore: new Date(pair.notBefore),
    notAfter: new Date(pair.notAfter),
  });
  return pending.complete(certificate);
}
