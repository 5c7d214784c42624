import { daysLeft } from '@postern/protocol/expiry';
import type { Kysely } from 'kysely';
import { servedNames } from '../directory/verified-domains.ts';
import { certificateChooser, expiryWarningOf } from '../domains/certificate-for-host.ts';
import { namesOf } from '../domains/certificates.ts';
import { findAutomaticCertificate } from '../store/automatic-certificates.ts';
import { listCustomDomains } from '../store/custom-domains.ts';
import { listPublicCertificates, type PublicCertificateRow } from '../store/public-certificates.ts';
import type { Database } from '../store/schema.ts';
import type { Alert } from './alert.ts';
import type { Alerts } from './alerts.ts';

/**
 * Raises an alert for every certificate of a public name that is in use and expires in 30, 14, 7 or 1 days, or has
 * expired: one for each certificate and day. What another certificate has taken the place of is left out.
 *
 * @param ownDomain The service's.
 * @param now Milliseconds since the epoch.
 */
export async function watchPublicExpiry(
  db: Kysely<Database>,
  alerts: Alerts,
  ownDomain: string,
  now: number,
): Promise<void> {
  const certificates = await listPublicCertificates(db);
  const domains = await listCustomDomains(db);
  const choose = certificateChooser(certificates, domains, ownDomain, now);
  for (const certificate of certificates) {
    const names = servedNames(certificate, domains, ownDomain).filter(
      name => choose(name)?.id === certificate.id,
    );
    const days = expiryWarningOf(certificate, now);
    if (days === null || names.length === 0) continue;
    const content = await describe(db, certificate, names, now);
    await alerts.raise(`public-certificate:${certificate.sha256}:${days}`, content);
  }
}

async function describe(
  db: Kysely<Database>,
  certificate: PublicCertificateRow,
  names: readonly string[],
  now: number,
): Promise<Omit<Alert, 'id' | 'createdAt'>> {
  const { id, thumbprint, source, notAfter } = certificate;
  const left = daysLeft(certificate, now);
  const when = left <= 0 ? 'has expired' : left === 1 ? 'expires within a day' : `expires in ${left} days`;
  const date = new Date(notAfter).toISOString();
  const which = names.join(', ');
  const remedy =
    source === 'uploaded'
      ? 'What to do: renew it with its authority and upload the new one ("postern certificate upload"). It takes the place of this one at once.'
      : await describeFailure(db, certificate);
  return {
    type: 'public_certificate_expiring',
    title: `Certificate of ${which} ${when}`,
    text: `The certificate of ${which} ${when}, on ${date}. From that moment on browsers refuse these names.\n\n${remedy}`,
    details: { certificateId: id, names: which, thumbprint, notAfter: date, expiresInDays: left },
  };
}

async function describeFailure(db: Kysely<Database>, certificate: PublicCertificateRow): Promise<string> {
  const row = await findAutomaticCertificate(db, [...namesOf(certificate)].sort().join(','));
  if (row === null || row.lastError === null) {
    return 'The service renews it by itself, and has not yet. What to do: "postern certificate list" says how that is going.';
  }
  return `The service has tried to renew it, and failed ${row.failures} times in a row: ${row.lastError}\n\nWhat to do: ${row.lastRemedy}`;
}
