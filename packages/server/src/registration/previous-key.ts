import { type KeyObject, verify, X509Certificate } from 'node:crypto';
import { type PreviousKeyProof, reregistrationStatement } from '@postern/protocol/registration';
import { ProofError } from './proof.ts';

/**
 * Checks that the holder of a connector's earlier key wants the new one certified in its place. When the certificate has
 * expired, the key proves as much as before.
 *
 * @param certificatePem The earlier trust certificate, as the service has it on record.
 * @param proofCertificate The proof of the new key, which the signature is over.
 * @throws ProofError `bad_proof`.
 */
export function checkPreviousKey(
  certificatePem: string,
  { signature }: PreviousKeyProof,
  proofCertificate: string,
): void {
  const key = new X509Certificate(certificatePem).publicKey;
  if (isSignedBy(key, signature, proofCertificate)) return;
  throw new ProofError(
    'bad_proof',
    "the signature by the connector's earlier key does not match the certificate that it names",
  );
}

function isSignedBy(key: KeyObject, signature: string, proofCertificate: string): boolean {
  try {
    return verify('sha512', reregistrationStatement(proofCertificate), key, Buffer.from(signature, 'base64'));
  } catch {
    return false;
  }
}
