import { createHash, X509Certificate } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { RevocationList } from '../feed/messages.ts';
import { listRevokedCertificates, type RevokedCertificate } from '../store/connectors.ts';
import type { Database } from '../store/schema.ts';
import { type Signer, wholeSeconds } from './signer.ts';

export interface RevocationListsParts {
  readonly db: Kysely<Database>;
  /** All that are trusted: each has a list of its own. */
  readonly authorities: () => readonly Signer[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const dayMs = 86_400_000;
/** How long a list is good for; a new one is made every day, so that a service that is down for days leaves a good one. */
const goodForMs = 7 * dayMs;

/** Where an authority's list is served on `connect.<domain>`; another key has another list. */
function revocationListPath(certificate: string): string {
  const spki = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return `/crl/${createHash('sha256').update(spki).digest('hex').slice(0, 16)}.crl`;
}

/**
 * What issued certificates say of where their list is: plain HTTP, since checking the server's certificate might need
 * another list (RFC 5280 §8).
 *
 * @param certificate The authority's, PEM.
 */
export function revocationListUrl(certificate: string, domain: string): string {
  return `http://connect.${domain}${revocationListPath(certificate)}`;
}

/**
 * Gives the lists of revoked trust certificates: the same answer until a certificate is revoked, or a day has gone by.
 * The service itself goes by its records; these are for whoever else is shown a trust certificate.
 */
export function createRevocationLists(parts: RevocationListsParts): () => Promise<readonly RevocationList[]> {
  const { db, now } = parts;
  let last: {
    readonly key: string;
    readonly madeAt: number;
    readonly lists: readonly RevocationList[];
  } | null = null;
  return async () => {
    const time = now();
    // Expired ones may be left out, but for those that a wrong clock still takes for valid.
    const revoked = await listRevokedCertificates(db, time - 2 * dayMs);
    const authorities = parts.authorities();
    const key = [...revoked, ...authorities]
      .map(one => ('serial' in one ? one.serial : one.certificate))
      .join();
    if (last !== null && last.key === key && time - last.madeAt < dayMs) return last.lists;
    const sign = (authority: Signer) => signList(authority, issuedBy(authority, authorities, revoked), time);
    last = { key, madeAt: time, lists: await Promise.all(authorities.map(sign)) };
    return last.lists;
  };
}

async function signList(
  authority: Signer,
  revoked: readonly RevokedCertificate[],
  time: number,
): Promise<RevocationList> {
  const der = await authority.signRevocationList({
    revoked: revoked.map(({ serial, revokedAt }) => ({ serial, revokedAt: wholeSeconds(revokedAt) })),
    thisUpdate: wholeSeconds(time),
    nextUpdate: wholeSeconds(time + goodForMs),
  });
  return { path: revocationListPath(authority.certificate), der: der.toString('base64') };
}

function issuedBy(
  authority: Signer,
  authorities: readonly Signer[],
  certificates: readonly RevokedCertificate[],
): readonly RevokedCertificate[] {
  if (authorities.length === 1) return certificates;
  const issuer = new X509Certificate(authority.certificate);
  return certificates.filter(({ pem }) => new X509Certificate(pem).checkIssued(issuer));
}
