import 'reflect-metadata';
import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { X509CertificateGenerator } from '@peculiar/x509';

/** `rsa3072` works with everything; `p384` is faster and smaller. */
export type KeyKind = 'rsa3072' | 'p384';

const generate = promisify(generateKeyPair);

/** A private key made on this machine, and the proof that this machine holds it. */
export interface NewKey {
  /** PKCS#8, PEM. */
  readonly privateKey: string;
  /** Self-signed certificate with a SHA-512 signature, PEM. */
  readonly proofCertificate: string;
}

/**
 * Makes a key pair and the proof of possession that registration asks for. The names in the proof mean nothing; the
 * service chooses those of the trust certificate.
 */
export async function createKey(kind: KeyKind): Promise<NewKey> {
  const { publicKey, privateKey } =
    kind === 'rsa3072'
      ? await generate('rsa', { modulusLength: 3072 })
      : await generate('ec', { namedCurve: 'P-384' });
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    proofCertificate: await createProof(publicKey, privateKey),
  };
}

const proofDays = 1;

async function createProof(publicKey: KeyObject, privateKey: KeyObject): Promise<string> {
  const algorithm =
    privateKey.asymmetricKeyType === 'rsa'
      ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' }
      : { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-512' };
  const name = 'CN=Postern connector proof of possession';
  const certificate = await X509CertificateGenerator.create({
    subject: name,
    issuer: name,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    notBefore: new Date(Date.now() - proofDays * 86_400_000),
    notAfter: new Date(Date.now() + proofDays * 86_400_000),
    signingKey: privateKey.toCryptoKey(algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
  });
  return `${certificate.toString('pem')}\n`;
}
