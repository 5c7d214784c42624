import { type KeyObject, X509Certificate } from 'node:crypto';
import { splitCertificates } from '@postern/protocol/x509/certificate';

/** Why a proof of possession was not accepted; the message is for the administrator at the connector. */
export class ProofError extends Error {
  readonly code: 'bad_proof' | 'weak_key';

  constructor(code: 'bad_proof' | 'weak_key', message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A generous P-384 or RSA 8192 certificate is far below this. */
const maxProofBytes = 8_192;
const maxRsaBits = 8_192;

const sha512Signatures = new Set([
  '1.2.840.113549.1.1.13', // sha512WithRSAEncryption
  '1.2.840.10045.4.3.4', // ecdsa-with-SHA512
]);

/**
 * Checks a self-signed certificate as proof that its maker holds the private key.
 *
 * Its names, dates and extensions are not looked at, because nothing of them is taken over, and a connector whose
 * clock is wrong must be able to register.
 *
 * @returns the key that was proven.
 * @throws ProofError `bad_proof` or `weak_key`.
 */
export function checkProof(pem: string): KeyObject {
  const certificate = readOne(pem);
  const key = certificate.publicKey;
  // The key before the signature: verifying with a key of monstrous size is itself an attack.
  assertStrongKey(key);
  if (!sha512Signatures.has(certificate.signatureAlgorithmOid)) {
    throw new ProofError(
      'bad_proof',
      `the proof certificate is signed with ${certificate.signatureAlgorithm ?? certificate.signatureAlgorithmOid}; it has to carry a SHA-512 signature`,
    );
  }
  if (!verifies(certificate, key)) {
    throw new ProofError('bad_proof', 'the signature of the proof certificate does not match its key');
  }
  return key;
}

function readOne(pem: string): X509Certificate {
  if (pem.length > maxProofBytes) throw new ProofError('bad_proof', 'the proof certificate is too large');
  const [block, second] = splitCertificates(pem);
  if (block === undefined || second !== undefined) {
    throw new ProofError('bad_proof', 'the proof has to be exactly one certificate in PEM');
  }
  try {
    const certificate = new X509Certificate(block);
    // The getter parses the key and throws for those that OpenSSL does not know.
    void certificate.publicKey;
    return certificate;
  } catch (cause) {
    throw new ProofError('bad_proof', 'the proof certificate cannot be read', { cause });
  }
}

function assertStrongKey(key: KeyObject): void {
  const { modulusLength = 0, publicExponent, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength < 2048 || modulusLength > maxRsaBits) {
      throw new ProofError(
        'weak_key',
        `an RSA key of ${modulusLength} bits is not accepted; use 2048 to ${maxRsaBits}`,
      );
    }
    if (publicExponent !== 65_537n) {
      throw new ProofError(
        'weak_key',
        `an RSA key with the exponent ${publicExponent} is not accepted; use 65537`,
      );
    }
    return;
  }
  if (key.asymmetricKeyType === 'ec' && (namedCurve === 'prime256v1' || namedCurve === 'secp384r1')) return;
  const kind = [key.asymmetricKeyType, namedCurve].filter(Boolean).join(' ');
  throw new ProofError('weak_key', `a key of the kind ${kind} is not accepted; use RSA, P-256 or P-384`);
}

function verifies(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.verify(key);
  } catch {
    return false;
  }
}
