import { X509Certificate } from 'node:crypto';
import type { OnPremisesPublishing, OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import { requireApplication } from '../directory/applications.ts';
import type { ChangeWork, Directory } from '../directory/directory.ts';
import { storedPublishing } from '../directory/publishing.ts';
import { certificateChooser } from '../domains/certificate-for-host.ts';
import { type CertificateParts, namesOf, prepareUpload } from '../domains/certificates.ts';
import { listCustomDomains } from '../store/custom-domains.ts';
import { listPublicCertificates, type PublicCertificateRow } from '../store/public-certificates.ts';
import * as events from '../telemetry/events.ts';
import type { Logger } from '../telemetry/logger.ts';
import { dateTime } from './requests.ts';

/**
 * Reads the certificate that an update of an application brings, as Microsoft Graph has it. It has to cover the host of
 * the external URL that the application has or is to get.
 *
 * @returns what stores it, as a part of the change that the update is; undefined where it brings none.
 * @throws CertificateError, as what it gives does, DirectoryError `not_found`.
 */
export async function prepareUploadForApplication(
  parts: CertificateParts,
  id: string,
  update: OnPremisesPublishingUpdate,
): Promise<ChangeWork<PublicCertificateRow> | undefined> {
  const { verifiedCustomDomainKeyCredential: key, verifiedCustomDomainPasswordCredential: password } = update;
  if (key === undefined) return undefined;
  const { directory } = parts;
  const externalUrl =
    update.externalUrl ?? storedPublishing(await requireApplication(directory.db, id))?.externalUrl;
  const host = externalUrl === undefined ? undefined : URL.parse(externalUrl)?.hostname;
  return prepareUpload(parts, { pfx: key.value, password: password?.value }, host);
}

/** Writes down who has changed what. */
export function logCertificateChange(
  log: Logger,
  row: PublicCertificateRow,
  what: 'uploaded' | 'deleted',
  actor: events.Actor,
): void {
  const { id: certificateId, thumbprint } = row;
  events.certificateChanged(log, { certificateId, thumbprint, names: namesOf(row), what, actor });
}

/** Of the store's certificates the one that the host of an external URL gets, as Microsoft Graph shows it. */
export async function certificateMetadata(
  directory: Directory,
  { externalUrl }: Pick<OnPremisesPublishing, 'externalUrl'>,
): Promise<OnPremisesPublishing['verifiedCustomDomainCertificatesMetadata']> {
  const certificates = await listPublicCertificates(directory.db);
  if (certificates.length === 0) return null;
  const domains = await listCustomDomains(directory.db);
  const choose = certificateChooser(certificates, domains, directory.address.domain, directory.now());
  const row = choose(new URL(externalUrl).hostname);
  if (row === null) return null;
  return {
    thumbprint: row.thumbprint,
    ...distinguishedNames(row),
    issueDate: dateTime(row.notBefore),
    expiryDate: dateTime(row.notAfter),
  };
}

/** Subject and issuer on a line each; Node writes each part of them on one of its own. */
export function distinguishedNames({ pem }: PublicCertificateRow): {
  subjectName: string;
  issuerName: string;
} {
  const { subject, issuer } = new X509Certificate(pem);
  const oneLine = (name: string | undefined) => (name ?? '').split('\n').join(', ');
  return { subjectName: oneLine(subject), issuerName: oneLine(issuer) };
}
