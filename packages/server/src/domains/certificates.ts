import { randomUUID } from 'node:crypto';
import { nameCovers } from '@postern/protocol/x509/dns-names';
import type { Kysely, Transaction } from 'kysely';
import { certificateKeyName } from '../directory/certificate-records.ts';
import type { ChangeWork, Directory } from '../directory/directory.ts';
import { notFound } from '../directory/directory-error.ts';
import type { Touched } from '../directory/records.ts';
import { domainOf, servedNames } from '../directory/verified-domains.ts';
import { listCustomDomains } from '../store/custom-domains.ts';
import * as store from '../store/public-certificates.ts';
import type { Database } from '../store/schema.ts';
import type { SealedSecrets } from '../store/sealed-secrets.ts';
import { CertificateError } from './certificate-error.ts';
import { type CertificateInput, readCertificate, type UsableCertificate } from './read-certificate.ts';

export interface CertificateParts {
  readonly directory: Directory;
  readonly secrets: SealedSecrets;
}

/**
 * Takes an uploaded certificate into service, for every application under its names, and in place of those that it
 * makes superfluous. It is in force on the relays when this resolves.
 *
 * @param host A host that it has to cover, where it was uploaded for one.
 * @throws CertificateError
 */
export async function uploadCertificate(
  parts: CertificateParts,
  input: CertificateInput,
  host?: string,
): Promise<store.PublicCertificateRow> {
  return parts.directory.change(await prepareUpload(parts, input, host), { awaitRelays: true });
}

/** Reads a certificate that is uploaded. Gives what stores it, as a part of a change of the directory; both throw as above. */
export async function prepareUpload(
  { directory, secrets }: CertificateParts,
  input: CertificateInput,
  host?: string,
): Promise<ChangeWork<store.PublicCertificateRow>> {
  const usable = await readCertificate(input, directory.now());
  if (host !== undefined && !usable.names.some(name => nameCovers(name, host))) {
    throw new CertificateError(
      'host_not_covered',
      `The certificate is for ${usable.names.join(', ')}, and not for ${host}. A wildcard covers one label and no more.`,
      `Have one issued that names ${host}, and upload that.`,
    );
  }
  return async (db, touched) => {
    const known = await store.findPublicCertificate(db, usable.sha256, 'sha256');
    if (known !== null) return known;
    const row = rowOf(usable, 'uploaded', null, directory.now());
    const domains = await listCustomDomains(db);
    if (servedNames(row, domains, directory.address.domain).length === 0) {
      throw domainNotVerified(usable.names, domains, directory.address.domain);
    }
    await putCertificate(db, touched, secrets, row, usable.privateKey);
    return row;
  };
}

function domainNotVerified(
  names: readonly string[],
  domains: Parameters<typeof domainOf>[1],
  ownDomain: string,
): CertificateError {
  const unproved = names.map(name => domainOf(name, domains)).find(domain => domain !== null);
  const remedy =
    unproved === undefined
      ? `Add the domain first ("postern domain add") and prove that it is yours. Certificates for names under ${ownDomain} come from the configuration (certificates.files, certificates.acme).`
      : `Run "postern domain verify ${unproved.name}", which says which record to create.`;
  return new CertificateError(
    'domain_not_verified',
    `The certificate is for ${names.join(', ')}, and none of these is under a custom domain that has been verified.`,
    remedy,
  );
}

/**
 * Writes a certificate with its key, and deletes those whose names it has all: in one transaction, so that there is
 * always one of the two.
 */
export async function putCertificate(
  db: Transaction<Database>,
  touched: Touched,
  secrets: SealedSecrets,
  row: store.PublicCertificateRow,
  privateKey: string,
): Promise<void> {
  const names = new Set(namesOf(row));
  for (const other of await store.listPublicCertificates(db)) {
    // Somebody chose what was uploaded; what we got by ourselves never takes its place while it is valid.
    const isChosen =
      other.source === 'uploaded' && row.source === 'automatic' && other.notAfter > row.createdAt;
    if (isChosen || !namesOf(other).every(name => names.has(name))) continue;
    await removeCertificate(db, touched, secrets, other.id);
  }
  await secrets.seal(certificateKeyName(row.id), privateKey, db);
  await store.insertPublicCertificate(db, row);
  touched.add('certificates', row.id);
}

async function removeCertificate(
  db: Transaction<Database>,
  touched: Touched,
  secrets: SealedSecrets,
  id: string,
): Promise<void> {
  await store.deletePublicCertificate(db, id);
  await secrets.remove(certificateKeyName(id), db);
  touched.add('certificates', id);
}

/** @throws DirectoryError `not_found` */
export async function requireCertificate(
  db: Kysely<Database>,
  id: string,
): Promise<store.PublicCertificateRow> {
  const row = await store.findPublicCertificate(db, id);
  if (row === null) throw notFound('certificate', id);
  return row;
}

/** @throws DirectoryError `not_found` */
export async function deleteCertificate(
  { directory, secrets }: CertificateParts,
  id: string,
): Promise<store.PublicCertificateRow> {
  return directory.change(
    async (db, touched) => {
      const row = await requireCertificate(db, id);
      await removeCertificate(db, touched, secrets, id);
      return row;
    },
    { awaitRelays: true },
  );
}

export function namesOf({ namesJson }: Pick<store.PublicCertificateRow, 'namesJson'>): string[] {
  return JSON.parse(namesJson) as string[];
}

/** @param renewAt Milliseconds since the epoch; null where nobody renews it but the administrator. */
export function rowOf(
  { pem, names, sha256, thumbprint, notBefore, notAfter }: UsableCertificate,
  source: 'uploaded' | 'automatic',
  renewAt: number | null,
  now: number,
): store.PublicCertificateRow {
  const id = randomUUID();
  const namesJson = JSON.stringify(names);
  return { id, source, namesJson, pem, sha256, thumbprint, notBefore, notAfter, renewAt, createdAt: now };
}
