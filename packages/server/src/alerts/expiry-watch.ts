import { daysLeft, dueWarning } from '@postern/protocol/expiry';
import type { Kysely } from 'kysely';
import { deleteAlertsBefore } from '../store/alerts.ts';
import { listNewestCertificates, type NewestCertificate } from '../store/newest-certificates.ts';
import type { Database } from '../store/schema.ts';
import type { Alert } from './alert.ts';
import type { Alerts } from './alerts.ts';

/** Longer than any certificate has been valid since its first warning: what is deleted is never raised again. */
const keptMs = 365 * 24 * 3_600_000;

/**
 * Raises an alert for every connector whose trust certificate expires in 30, 14, 7 or 1 days: one for each certificate
 * and day.
 *
 * @param now Milliseconds since the epoch.
 */
export async function watchExpiry(db: Kysely<Database>, alerts: Alerts, now: number): Promise<void> {
  for (const certificate of await listNewestCertificates(db)) {
    const days = dueWarning(certificate, now);
    // Past its end there is nothing to be warned of; the Admin center shows the connector as expired.
    if (days === null || days === 0) continue;
    await alerts.raise(`certificate:${certificate.serial}:${days}`, describe(certificate, now));
  }
  await deleteAlertsBefore(db, now - keptMs);
}

function describe(certificate: NewestCertificate, now: number): Omit<Alert, 'id' | 'createdAt'> {
  const { connectorId, machineName, thumbprint, notAfter } = certificate;
  const left = daysLeft(certificate, now);
  const when = left <= 1 ? 'within a day' : `in ${left} days`;
  const date = new Date(notAfter).toISOString();
  return {
    type: 'connector_certificate_expiring',
    title: `Trust certificate of the connector ${machineName} expires ${when}`,
    text:
      `The trust certificate of the connector ${machineName} expires ${when}, on ${date}, and has not been renewed. ` +
      'A connector renews by itself while it is connected. From that moment on the service accepts no tunnel of it, and ' +
      'the applications of its group depend on the other connectors there.\n\n' +
      'What to do: see that the connector runs and is connected ("postern connector doctor" on its computer says what is ' +
      'wrong). Else run "postern connector register" there; it keeps its id and group. If the connector is not needed any ' +
      'more, revoke it in the Admin center.',
    details: { connectorId, machineName, thumbprint, notAfter: date, expiresInDays: left },
  };
}
