import 'reflect-metadata';
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import {
  BasicConstraintsExtension,
  Extension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const generate = promisify(generateKeyPair);
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A new P-256 key, PKCS#8 PEM. */
export async function createKey(): Promise<string> {
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** A certificate signing request for DNS names, DER. */
export async function createRequest(keyPem: string, names: readonly string[]): Promise<Buffer> {
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys: cryptoKeys(createPrivateKey(keyPem)),
    signingAlgorithm: algorithm,
    extensions: [dnsNames(names)],
  });
  return Buffer.from(request.rawData);
}

/** id-pe-acmeIdentifier (RFC 8737 §6.1). */
const acmeIdentifierOid = '1.3.6.1.5.5.7.1.31';
const dayMs = 86_400_000;

/**
 * The certificate that answers a challenge over TLS (RFC 8737 §3), with its key, PEM.
 *
 * @param digest SHA-256 of the key authorization.
 */
export async function createChallengeCertificate(
  host: string,
  digest: Buffer,
  now: number,
): Promise<{ readonly certificate: string; readonly privateKey: string }> {
  const privateKey = await createKey();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(8).toString('hex').replace(/^./, '1'),
    name: [{ CN: ['ACME challenge'] }],
    keys: cryptoKeys(createPrivateKey(privateKey)),
    signingAlgorithm: algorithm,
    notBefore: new Date(now - dayMs),
    notAfter: new Date(now + dayMs),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      dnsNames([host]),
      // An OCTET STRING of 32 bytes.
      new Extension(acmeIdentifierOid, true, Uint8Array.from([4, digest.length, ...digest])),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, privateKey };
}

function dnsNames(names: readonly string[]): SubjectAlternativeNameExtension {
  return new SubjectAlternativeNameExtension(names.map(value => ({ type: 'dns' as const, value })));
}

function cryptoKeys(privateKey: KeyObject) {
  return {
    privateKey: privateKey.toCryptoKey(algorithm, true, ['sign']),
    publicKey: createPublicKey(privateKey).toCryptoKey(algorithm, true, ['verify']),
  };
}
