import 'reflect-metadata';
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  CRLDistributionPointsExtension,
  ExtendedKeyUsageExtension,
  Extension,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
  X509CrlReason,
} from '@peculiar/x509';
import { keyUsageOids } from '@postern/protocol/x509/certificate';

/** Certificates are valid from two days before their issue, so that a wrong clock on either side cuts nobody off. */
export const backDatedMs = 48 * 3_600_000;

const generate = promisify(generateKeyPair);

/** What a leaf says. Every field is chosen by the service; nothing is taken over from a request but the key. */
export interface LeafTemplate {
  readonly publicKey: KeyObject;
  readonly commonName: string;
  readonly organization?: string;
  readonly dnsNames?: readonly string[];
  readonly usage: keyof typeof keyUsageOids;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** What a list of revoked certificates says (RFC 5280 §5). */
export interface RevocationListTemplate {
  readonly revoked: readonly { readonly serial: string; readonly revokedAt: Date }[];
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
}

/**
 * An authority that signs leaves. Its key stays behind this interface, so that it may as well live in a KMS or an HSM.
 */
export interface Signer {
  /** The authority's own certificate, PEM. */
  readonly certificate: string;
  /** See {@link AuthorityMaterial}; null where there is none. */
  readonly crossCertificate: string | null;
  /** Issues a leaf with a random 128-bit serial number, PEM. Issuing touches no earlier certificate. */
  issue(template: LeafTemplate): Promise<string>;
  /** Signs a list of revoked certificates, DER. Its number is its time in seconds, and so never goes back. */
  signRevocationList(template: RevocationListTemplate): Promise<Buffer>;
  /** Certifies the authority that comes after this one, of the same name: gives its cross-certificate, PEM. */
  certifySuccessor(certificate: string): Promise<string>;
}

/** Key and certificate of an authority, as it is sealed in the store. */
export interface AuthorityMaterial {
  readonly certificate: string;
  readonly privateKey: string;
  /**
   * Name and key of this authority, certified by the one before it: who trusts that one and not this one yet accepts its
   * leaves all the same, with this in the chain (RFC 4210 §4.4 calls it "new with old"). PEM.
   */
  readonly crossCertificate?: string;
}

/**
 * Kinds of authority keys.
 *
 * `rsa4096` signs with SHA-512 and is the registration authority's: sha512WithRSAEncryption is a signature scheme that
 * TLS 1.2 and 1.3 both name for certificates (RFC 8446 §4.2.3), whereas ECDSA with P-384 is bound to SHA-384 there and
 * strict stacks refuse it with SHA-512. Signing takes milliseconds and happens once per connector and half year.
 * `p384` signs with SHA-384 and is the choice for authorities whose leaves browsers and connectors verify often.
 */
export type AuthorityKind = 'rsa4096' | 'p384';

const authorityYears = 10;

/** Makes a new authority: a key and a self-signed certificate for it that may sign leaves and no further authority. */
export async function createAuthority(
  kind: AuthorityKind,
  commonName: string,
  now: number,
): Promise<AuthorityMaterial> {
  const { publicKey, privateKey } =
    kind === 'rsa4096'
      ? await generate('rsa', { modulusLength: 4096 })
      : await generate('ec', { namedCurve: 'P-384' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const name: JsonName = [{ CN: [commonName] }];
  const certificate = await X509CertificateGenerator.create({
    serialNumber: createSerial(),
    subject: name,
    issuer: name,
    publicKey: spki,
    notBefore: wholeSeconds(now - backDatedMs),
    notAfter: wholeSeconds(now + authorityYears * 365 * 86_400_000),
    extensions: await extensionsOfAuthority(spki),
    ...signing(privateKey),
  });
  return {
    certificate: `${certificate.toString('pem')}\n`,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/**
 * Opens an authority whose key is held in memory.
 *
 * @param revocationListUrl Where the list of what it has revoked is found; its leaves name it.
 * @throws Error if the key does not belong to the certificate: an authority like that would issue what nobody accepts.
 */
export function openSigner(material: AuthorityMaterial, revocationListUrl?: string): Signer {
  const authority = new X509Certificate(material.certificate);
  const privateKey = createPrivateKey(material.privateKey);
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  if (!spki.equals(Buffer.from(authority.publicKey.rawData))) {
    throw new Error(`the key of the authority ${authority.subject} does not belong to its certificate`);
  }
  return {
    certificate: material.certificate,
    crossCertificate: material.crossCertificate ?? null,
    certifySuccessor: async pem => {
      const successor = new X509Certificate(pem);
      const ends = [authority.notAfter.getTime(), successor.notAfter.getTime()];
      const certificate = await X509CertificateGenerator.create({
        serialNumber: createSerial(),
        subject: successor.subjectName.toJSON(),
        issuer: authority.subjectName.toJSON(),
        publicKey: successor.publicKey,
        notBefore: successor.notBefore,
        notAfter: new Date(Math.min(...ends)),
        extensions: [
          // Issued by its own name, it does not count against the path length of the one before (RFC 5280 §6.1.4 l).
          ...(await extensionsOfAuthority(Buffer.from(successor.publicKey.rawData))),
          await AuthorityKeyIdentifierExtension.create(spki),
        ],
        ...signing(privateKey),
      });
      return `${certificate.toString('pem')}\n`;
    },
    issue: async template => {
      const certificate = await X509CertificateGenerator.create({
        serialNumber: createSerial(),
        subject: subjectOf(template),
        issuer: authority.subjectName.toJSON(),
        publicKey: template.publicKey.export({ type: 'spki', format: 'der' }),
        notBefore: template.notBefore,
        notAfter: template.notAfter,
        extensions: await extensionsOf(template, spki, revocationListUrl),
        ...signing(privateKey),
      });
      return `${certificate.toString('pem')}\n`;
    },
    signRevocationList: async ({ revoked, thisUpdate, nextUpdate }) => {
      const list = await X509CrlGenerator.create({
        issuer: authority.subjectName.toJSON(),
        thisUpdate,
        nextUpdate,
        entries: revoked.map(({ serial, revokedAt }) => ({
          serialNumber: serial,
          revocationDate: revokedAt,
          reason: X509CrlReason.cessationOfOperation,
        })),
        extensions: [
          await AuthorityKeyIdentifierExtension.create(spki),
          new Extension(crlNumberOid, false, derInteger(Math.floor(thisUpdate.getTime() / 1000))),
        ],
        ...signing(privateKey),
      });
      return Buffer.from(list.rawData);
    },
  };
}

const crlNumberOid = '2.5.29.20';

/** A positive INTEGER of at most six bytes. */
function derInteger(value: number): Uint8Array<ArrayBuffer> {
  // A leading zero where the number would read as negative.
  const hex = value.toString(16);
  const even = hex.length % 2 === 0 ? hex : `0${hex}`;
  const digits = Number.parseInt(even.slice(0, 2), 16) > 0x7f ? `00${even}` : even;
  return Uint8Array.from([2, digits.length / 2, ...Buffer.from(digits, 'hex')]);
}

/** Cuts milliseconds off: certificates know whole seconds only. */
export function wholeSeconds(time: number): Date {
  return new Date(Math.floor(time / 1000) * 1000);
}

function subjectOf(template: LeafTemplate): JsonName {
  const name: JsonName = [{ CN: [template.commonName] }];
  if (template.organization !== undefined) name.push({ O: [template.organization] });
  return name;
}

async function extensionsOfAuthority(spki: Buffer<ArrayBuffer>): Promise<Extension[]> {
  return [
    new BasicConstraintsExtension(true, 0, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(spki),
  ];
}

async function extensionsOf(
  template: LeafTemplate,
  issuerSpki: Buffer,
  revocationListUrl: string | undefined,
): Promise<Extension[]> {
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([keyUsageOids[template.usage]]),
    await SubjectKeyIdentifierExtension.create(template.publicKey.export({ type: 'spki', format: 'der' })),
    await AuthorityKeyIdentifierExtension.create(issuerSpki),
  ];
  if (template.dnsNames !== undefined) {
    const names = template.dnsNames.map(value => ({ type: 'dns' as const, value }));
    extensions.push(new SubjectAlternativeNameExtension(names));
  }
  if (revocationListUrl !== undefined) {
    extensions.push(new CRLDistributionPointsExtension([revocationListUrl]));
  }
  return extensions;
}

function signing(privateKey: KeyObject) {
  const algorithm =
    privateKey.asymmetricKeyType === 'rsa'
      ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-512' }
      : { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
  return {
    signingKey: privateKey.toCryptoKey(algorithm, false, ['sign']),
    signingAlgorithm: algorithm,
  };
}

// 128 random bits of which the first two are fixed to 01, so that the number is positive and always 16 bytes long.
function createSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}
