import { generateKeyPair, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { validityOf } from '@postern/protocol/x509/certificate';
import type { RevocationList, TunnelTrust } from '../feed/messages.ts';
import { revocationListUrl } from './revocation-lists.ts';
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

/** Which authority issues what; each has a key of its own, so that none can be used in another's place. */
export interface Authorities {
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
  const open = (secret: string, kind: AuthorityKind, commonName: string, hasList = false) =>
    openAuthority(parts, secret, kind, commonName, hasList);
  const hasRevocationList = true;
  const [registration, service, local] = await Promise.all([
    open('registration-ca', 'rsa4096', `connectorregistrationca.${parts.domain}`, hasRevocationList),
    open('service-ca', 'p384', `serviceca.${parts.domain}`),
    open('local-ca', 'p384', `Postern local CA for ${parts.domain}`),
  ]);
  const { trustCertificateDays = 180 } = parts;
  return { trustCertificateMs: trustCertificateDays * 86_400_000, registration, service, local };
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
 * Gives what relays need for tunnels. The leaf is made at the first call and again when two thirds of its life are
 * over; it is kept in memory only, because a new one costs nothing: connectors trust the authority and not the leaf.
 */
export function createTunnelTrust(
  authorities: Authorities,
  domain: string,
  now: () => number,
  revocationLists: () => Promise<readonly RevocationList[]> = async () => [],
): () => Promise<TunnelTrust> {
  let issued: Promise<ServerLeaf> | null = null;
  let last: { readonly leaf: ServerLeaf; readonly trust: TunnelTrust } | null = null;
  const issue = () => issueServerLeaf(authorities.service, [`connect.${domain}`], now());
  return async () => {
    issued ??= issue();
    if (isDueForRenewal(new X509Certificate((await issued).certificate), now())) issued = issue();
    const [leaf, lists] = await Promise.all([issued, revocationLists()]);
    // The same answer as long as nothing has changed: that is how its reader tells.
    if (last?.leaf === leaf && last.trust.revocationLists === lists) return last.trust;
    const clientAuthorities = [authorities.registration.certificate];
    last = { leaf, trust: { ...leaf, clientAuthorities, revocationLists: lists } };
    return last.trust;
  };
}

async function openAuthority(
  { secrets, domain, now }: AuthoritiesParts,
  secret: string,
  kind: AuthorityKind,
  commonName: string,
  hasRevocationList: boolean,
): Promise<Signer> {
  const kept = await secrets.unseal(secret);
  const material =
    kept === null
      ? await createAuthority(kind, commonName, now())
      : parseMaterial(secret, kept.toString('utf8'));
  if (kept === null) await secrets.seal(secret, JSON.stringify(material));
  return openSigner(
    material,
    hasRevocationList ? revocationListUrl(material.certificate, domain) : undefined,
  );
}

function parseMaterial(secret: string, json: string): AuthorityMaterial {
  const value = JSON.parse(json) as Partial<AuthorityMaterial> | null;
  if (typeof value?.certificate !== 'string' || typeof value.privateKey !== 'string') {
    throw new Error(`the kept secret ${secret} is no authority`);
  }
  return { certificate: value.certificate, privateKey: value.privateKey };
}
