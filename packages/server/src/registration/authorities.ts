import { generateKeyPair, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { validityOf } from '@postern/protocol/x509/certificate';
import type { RevocationList, TunnelTrust } from '../feed/messages.ts';
import { revocationListUrl } from './revocation-lists.ts';
import { type KeptAuthority, RotatingAuthority } from './rotating-authority.ts';
import {
  type AuthorityKind,
  type AuthorityMaterial,
  backDatedMs,
  createAuthority,
  openSigner,
  type Signer,
  wholeSeconds,
} from './signer.ts';

/** Where authorities are kept, sealed under the master key (`SealedSecrets`). */
export interface SecretStore {
  seal(name: string, secret: string): Promise<void>;
  /** Throws if there is something under that name that cannot be unsealed. */
  unseal(name: string): Promise<Buffer | null>;
}

export interface AuthoritiesParts {
  readonly secrets: SecretStore;
  /** The service's domain, such as `example.com`. */
  readonly domain: string;
  /** Default 180. */
  readonly trustCertificateDays?: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Authorities that can be exchanged while the service runs. */
export const rotatingNames = ['registration', 'service', 'local'] as const;
export type RotatingName = (typeof rotatingNames)[number];

/** Which authority issues what; each has a key of its own, so that none can be used in another's place. */
export interface Authorities {
  /** Those before and after the ones that sign now. */
  readonly rotating: Readonly<Record<RotatingName, RotatingAuthority>>;
  /** How long a trust certificate is valid from its issue on. */
  readonly trustCertificateMs: number;
  /** `connectorregistrationca.<domain>`: issues the connectors' trust certificates. */
  readonly registration: Signer;
  /** Issues the certificate of the tunnel listener; connectors learn it when they register and trust nothing else. */
  readonly service: Signer;
  /** Issues the certificate of the public names where `certificates.local` is chosen. */
  readonly local: Signer;
}

/** How long leaves of the service and local authorities live; they are renewed after two thirds of it. */
export const leafMs = 90 * 86_400_000;

const generate = promisify(generateKeyPair);

/**
 * Opens the three authorities and makes those that do not exist yet, as on the first start.
 *
 * @throws Error if a kept authority cannot be read: a new one in its place would cut off every connector.
 */
export async function openAuthorities(parts: AuthoritiesParts): Promise<Authorities> {
  const open = (secret: string, kind: AuthorityKind, commonName: string, traits: AuthorityTraits = {}) =>
    openAuthority(parts, secret, kind, commonName, traits);
  const [registration, service, local] = await Promise.all([
    open('registration-ca', 'rsa4096', `connectorregistrationca.${parts.domain}`, {
      hasRevocationList: true,
    }),
    open('service-ca', 'p384', `serviceca.${parts.domain}`),
    // People's machines are not told of the next one as connectors are.
    open('local-ca', 'p384', `Postern local CA for ${parts.domain}`, { certifiesSuccessor: true }),
  ]);
  const { trustCertificateDays = 180 } = parts;
  return {
    trustCertificateMs: trustCertificateDays * 86_400_000,
    rotating: { registration, service, local },
    get registration() {
      return registration.current;
    },
    get service() {
      return service.current;
    },
    get local() {
      return local.current;
    },
  };
}

interface AuthorityTraits {
  readonly hasRevocationList?: boolean;
  readonly certifiesSuccessor?: boolean;
}

/** Certificates of the registration authority that has issued a trust certificate: one that signs, or signed before. */
export function issuersOf({ rotating }: Authorities, trustCertificate: string): string[] {
  const { all, current } = rotating.registration;
  if (all.length === 1) return [current.certificate];
  const leaf = new X509Certificate(trustCertificate);
  // Names are the same; the identifiers of the keys differ, and this compares them.
  const issuer = all.find(({ certificate }) => leaf.checkIssued(new X509Certificate(certificate)));
  return [(issuer ?? current).certificate];
}

/** A server's leaf with its key, PEM. */
export interface ServerLeaf {
  /** The leaf alone; anchors are known to the other side. */
  readonly certificate: string;
  readonly privateKey: string;
}

/** Issues a leaf with a new P-256 key for the given DNS names. */
export async function issueServerLeaf(
  signer: Signer,
  dnsNames: readonly string[],
  now: number,
): Promise<ServerLeaf> {
  const { publicKey, privateKey } = await generate('ec', { namedCurve: 'P-256' });
  const certificate = await signer.issue({
    publicKey,
    commonName: dnsNames[0]!,
    dnsNames,
    usage: 'serverAuth',
    notBefore: wholeSeconds(now - backDatedMs),
    notAfter: wholeSeconds(now + leafMs),
  });
  return { certificate, privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
}

/** Whether two thirds of the life of a leaf issued by {@link issueServerLeaf} are over. */
export function isDueForRenewal(certificate: X509Certificate, now: number): boolean {
  return now >= validityOf(certificate).notAfter - leafMs / 3;
}

/**
 * Gives what relays need for tunnels. The leaf is made at the first call, again when two thirds of its life are over, and
 * when another authority signs; it is kept in memory only, because a new one costs nothing: connectors trust the authority
 * and not the leaf.
 */
export function createTunnelTrust(
  authorities: Authorities,
  domain: string,
  now: () => number,
  revocationLists: () => Promise<readonly RevocationList[]> = async () => [],
): () => Promise<TunnelTrust> {
  const { registration, service } = authorities.rotating;
  const issue = (signer: Signer) => ({
    signer,
    leaf: issueServerLeaf(signer, [`connect.${domain}`], now()),
  });
  let issued: ReturnType<typeof issue> | null = null;
  let last: TunnelTrust | null = null;
  return async () => {
    if (issued?.signer !== service.current) issued = issue(service.current);
    const presented = new X509Certificate((await issued.leaf).certificate);
    if (isDueForRenewal(presented, now())) issued = issue(service.current);
    const [leaf, lists] = await Promise.all([issued.leaf, revocationLists()]);
    const trust: TunnelTrust = {
      ...leaf,
      clientAuthorities: registration.all.map(({ certificate }) => certificate),
      anchors: service.all.map(({ certificate }) => certificate),
      revocationLists: lists,
    };
    // The same answer as long as nothing has changed: that is how its reader tells.
    if (last !== null && isSameTrust(last, trust)) return last;
    last = trust;
    return trust;
  };
}

function isSameTrust(one: TunnelTrust, other: TunnelTrust): boolean {
  return (
    one.certificate === other.certificate &&
    one.revocationLists === other.revocationLists &&
    one.clientAuthorities.join() === other.clientAuthorities.join() &&
    one.anchors?.join() === other.anchors?.join()
  );
}

async function openAuthority(
  { secrets, domain, now }: AuthoritiesParts,
  secret: string,
  kind: AuthorityKind,
  commonName: string,
  { hasRevocationList = false, certifiesSuccessor = false }: AuthorityTraits,
): Promise<RotatingAuthority> {
  const create = () => createAuthority(kind, commonName, now());
  const createNext = async (by: Signer) => {
    const material = await create();
    if (!certifiesSuccessor) return material;
    return { ...material, crossCertificate: await by.certifySuccessor(material.certificate) };
  };
  const save = (kept: KeptAuthority) => secrets.seal(secret, JSON.stringify(kept));
  const sealed = await secrets.unseal(secret);
  const kept = sealed === null ? await create() : parseKept(secret, sealed.toString('utf8'));
  if (sealed === null) await save(kept);
  return new RotatingAuthority({
    kept,
    create: createNext,
    open: material =>
      openSigner(material, hasRevocationList ? revocationListUrl(material.certificate, domain) : undefined),
    save,
  });
}

function parseKept(secret: string, json: string): KeptAuthority {
  const value = JSON.parse(json) as Partial<KeptAuthority> | null;
  const materials: unknown[] = [value, ...(value?.former ?? []), ...(value?.next ? [value.next] : [])];
  if (!materials.every(isMaterial)) throw new Error(`the kept secret ${secret} is no authority`);
  return value as KeptAuthority;
}

function isMaterial(value: unknown): value is AuthorityMaterial {
  const { certificate, privateKey } = (value ?? {}) as Partial<AuthorityMaterial>;
  return typeof certificate === 'string' && typeof privateKey === 'string';
}
