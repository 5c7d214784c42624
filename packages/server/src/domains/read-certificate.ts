import 'reflect-metadata';
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { getCACertificates } from 'node:tls';
import { X509Certificate as CertificateFields } from '@peculiar/x509';
import {
  dnsNamesOf,
  keyUsageOids,
  sha256Of,
  splitCertificates,
  thumbprintOf,
  validityOf,
} from '@postern/protocol/x509/certificate';
import { CertificateError } from './certificate-error.ts';
import { type PemMaterial, readPfx } from './read-pfx.ts';

/** A file that somebody uploads. */
export type CertificateInput =
  | { readonly pfx: string; readonly password?: string | undefined }
  | {
      /** Certificates in any order; the private key may stand among them. */
      readonly certificate: string;
      readonly privateKey?: string | undefined;
      readonly password?: string | undefined;
    };

/** A certificate that a browser would take, with its key. */
export interface UsableCertificate {
  /** Leaf, then its intermediates in their order; no root. PEM. */
  readonly pem: string;
  /** PKCS#8, PEM. */
  readonly privateKey: string;
  readonly names: readonly string[];
  readonly sha256: string;
  readonly thumbprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

const minRsaBits = 2048;
const curves = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/**
 * Reads an uploaded certificate, puts its chain in order and checks all that can be told without knowing what it is for.
 *
 * @param now Milliseconds since the epoch.
 * @throws CertificateError
 */
export async function readCertificate(input: CertificateInput, now: number): Promise<UsableCertificate> {
  const material = 'pfx' in input ? await readPfx(input.pfx, input.password ?? '') : readPem(input);
  const certificates = material.certificates.map(parseCertificate);
  const privateKeys = material.privateKeys.map(pem => parseKey(pem, input.password));
  const { leaf, privateKey } = pairOf(certificates, privateKeys);
  checkDates(leaf, now);
  checkUse(leaf);
  checkStrength(leaf, privateKey);
  const names = dnsNamesOf(leaf);
  if (names.length === 0) {
    throw new CertificateError(
      'no_names',
      `The certificate of ${nameOf(leaf.subject)} has no DNS name in its subject alternative name, which is all that browsers look at.`,
      'Have it issued again with the host names, or a wildcard, as subject alternative names.',
    );
  }
  const chain = chainOf(leaf, certificates);
  return {
    pem: chain.map(one => one.toString()).join(''),
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    names,
    sha256: sha256Of(leaf),
    thumbprint: thumbprintOf(leaf),
    ...validityOf(leaf),
  };
}

const pemKey = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]+?-----END \1-----/g;

function readPem({
  certificate,
  privateKey = '',
}: Extract<CertificateInput, { certificate: string }>): PemMaterial {
  const certificates = splitCertificates(certificate);
  const privateKeys = Array.from(`${privateKey}\n${certificate}`.matchAll(pemKey), match => `${match[0]}\n`);
  if (certificates.length === 0 && privateKeys.length === 0) {
    throw new CertificateError(
      'not_pem',
      'The file holds nothing in PEM.',
      'Upload the certificate with its chain and the private key as PEM text ("-----BEGIN CERTIFICATE-----"), or one PFX file.',
    );
  }
  return { certificates, privateKeys };
}

function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new CertificateError(
      'not_pem',
      'One of the certificates in the file cannot be read.',
      'Export the certificate again, with its chain.',
    );
  }
}

function parseKey(pem: string, password: string | undefined): KeyObject {
  const isEncrypted = /ENCRYPTED/.test(pem);
  try {
    return createPrivateKey({ key: pem, ...(password === undefined ? {} : { passphrase: password }) });
  } catch {
    if (!isEncrypted) {
      throw new CertificateError(
        'unsupported_key',
        'The private key cannot be read.',
        'Export the key again: RSA of at least 2048 bits, or P-256, P-384 or P-521, in PEM or PFX.',
      );
    }
    throw new CertificateError(
      'wrong_password',
      password === undefined || password === ''
        ? 'The private key is encrypted, and no password was given.'
        : 'The private key cannot be decrypted: the password is wrong.',
      'Give the password that the key was encrypted with.',
    );
  }
}

function pairOf(certificates: readonly X509Certificate[], privateKeys: readonly KeyObject[]) {
  if (certificates.length === 0) {
    throw new CertificateError(
      'no_certificate',
      'The file holds a private key, but no certificate.',
      'Put the certificate and its chain into the same upload.',
    );
  }
  if (privateKeys.length === 0) {
    throw new CertificateError(
      'no_private_key',
      `The file holds the certificate of ${nameOf(certificates[0]!.subject)}, but no private key.`,
      'Export it again with "include the private key"; where the key is on another machine, export it there.',
    );
  }
  for (const privateKey of privateKeys) {
    const leaf = certificates.find(certificate => certificate.checkPrivateKey(privateKey));
    if (leaf !== undefined) return { leaf, privateKey };
  }
  throw new CertificateError(
    'key_mismatch',
    `The private key does not belong to the certificate of ${nameOf(certificates[0]!.subject)}.`,
    'Upload the key that the certificate was requested with; after a renewal that is often a new one.',
  );
}

function checkDates(leaf: X509Certificate, now: number): void {
  const { notBefore, notAfter } = validityOf(leaf);
  if (now > notAfter) {
    throw new CertificateError(
      'expired',
      `The certificate of ${nameOf(leaf.subject)} expired on ${new Date(notAfter).toISOString()}.`,
      'Renew it with its authority, and upload the new one.',
    );
  }
  if (now < notBefore) {
    throw new CertificateError(
      'not_yet_valid',
      `The certificate of ${nameOf(leaf.subject)} is not valid before ${new Date(notBefore).toISOString()}.`,
      'Upload it from that time on; if it ought to be valid already, check the clock of the service.',
    );
  }
}

function checkUse(leaf: X509Certificate): void {
  if (isSelfSigned(leaf)) {
    throw new CertificateError(
      'self_signed',
      `The certificate of ${nameOf(leaf.subject)} is self-signed: no authority vouches for it, and every browser warns.`,
      'Have one issued by an authority that the people who use it trust; your own company’s will do.',
    );
  }
  // No list of uses means every use (RFC 5280 §4.2.1.12).
  const uses: readonly string[] | undefined = leaf.keyUsage;
  if (leaf.ca || (uses !== undefined && !uses.includes(keyUsageOids.serverAuth))) {
    throw new CertificateError(
      'not_for_servers',
      `The certificate of ${nameOf(leaf.subject)} is not meant for a web server.`,
      'Have one issued with the extended key usage "server authentication".',
    );
  }
}

function checkStrength(leaf: X509Certificate, privateKey: KeyObject): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = privateKey;
  if (type === 'rsa' && (details?.modulusLength ?? 0) < minRsaBits) {
    throw new CertificateError(
      'weak_key',
      `The RSA key of the certificate has ${details?.modulusLength} bits, which browsers refuse.`,
      'Have a certificate issued for a new key: RSA of at least 2048 bits, or P-256.',
    );
  }
  if (type !== 'rsa' && (type !== 'ec' || !curves.has(details?.namedCurve ?? ''))) {
    throw new CertificateError(
      'unsupported_key',
      `The certificate has a key of the kind ${details?.namedCurve ?? type}, which browsers do not support.`,
      'Have a certificate issued for an RSA key of at least 2048 bits, or one with P-256 or P-384.',
    );
  }
  const { signatureAlgorithm } = new CertificateFields(leaf.raw);
  const hash = signatureAlgorithm.hash as { readonly name?: string } | undefined;
  if (/^(sha-?1|md5)$/i.test(hash?.name ?? '')) {
    throw new CertificateError(
      'weak_signature',
      `The certificate is signed with ${hash?.name}, which browsers refuse.`,
      'Have it issued again with SHA-256.',
    );
  }
}

/**
 * Leaf and intermediates, each issued by the next; the root is left out, since clients have their own. What an older
 * authority has signed of a root stays, for clients that do not know the root yet: the chain is complete without that one.
 */
function chainOf(leaf: X509Certificate, certificates: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf];
  for (;;) {
    const last = chain.at(-1)!;
    const issuers = certificates.filter(one => !chain.includes(one) && isIssuedBy(last, one));
    if (issuers.some(isSelfSigned)) return chain;
    const [issuer] = issuers;
    if (issuer === undefined) break;
    chain.push(issuer);
  }
  const last = chain.at(-1)!;
  if (chain.some(isKnownAuthority)) return chain;
  throw new CertificateError(
    'incomplete_chain',
    `The chain of the certificate is incomplete: the certificate of its issuer ${nameOf(last.issuer)} is missing, and some clients would refuse the connection.`,
    'Put every intermediate certificate into the file; for an authority of your own its root, too (it is not sent), unless this machine trusts it.',
  );
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}

let authoritiesBySubject: Map<string, X509Certificate[]> | null = null;

/** Whether the issuer is an authority that about every browser knows, or that this machine has been told to trust. */
function isKnownAuthority(certificate: X509Certificate): boolean {
  authoritiesBySubject ??= Map.groupBy(
    [...getCACertificates('default'), ...getCACertificates('system')].map(pem => new X509Certificate(pem)),
    authority => authority.subject,
  );
  return (authoritiesBySubject.get(certificate.issuer) ?? []).some(one => isIssuedBy(certificate, one));
}

/** The common name of a subject, or all of it. */
function nameOf(distinguishedName: string | undefined): string {
  const common = /(?:^|\n)CN=([^\n]+)/.exec(distinguishedName ?? '')?.[1];
  return common ?? (distinguishedName ?? 'no name').replaceAll('\n', ', ');
}
