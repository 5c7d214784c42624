import 'reflect-metadata';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { X509CertificateGenerator } from '@peculiar/x509';
import { createKey } from '../identity/proof.ts';

/** A certificate with its key, PEM. */
export interface ClientPair {
  readonly certificate: string;
  readonly privateKey: string;
}

export interface TrialCertificates {
  /** What registration makes: self-signed, with a SHA-512 signature. */
  readonly sha512: ClientPair;
  /** The same key with a SHA-256 signature, to tell what is objected to. */
  readonly sha256: ClientPair;
}

/** Makes client certificates that nobody knows, to see whether they arrive. */
export async function createTrialCertificates(): Promise<TrialCertificates> {
  const { privateKey, proofCertificate } = await createKey('rsa3072');
  const key = createPrivateKey(privateKey);
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const name = 'CN=Postern connector proof of possession';
  const certificate = await X509CertificateGenerator.create({
    subject: name,
    issuer: name,
    publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }),
    notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() + 86_400_000),
    signingKey: key.toCryptoKey(algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
  });
  return {
    sha512: { certificate: proofCertificate, privateKey },
    sha256: { certificate: `${certificate.toString('pem')}\n`, privateKey },
  };
}
