import { daysLeft } from '@postern/protocol/expiry';
import { sha256Of } from '@postern/protocol/x509/certificate';
import type { AuthorityState } from '../registration/rotation.ts';
import type { Alert } from './alert.ts';
import type { Alerts } from './alerts.ts';

/** Days before the change at which it is said again. */
const reminders = [1, 7, 14, 30];

/**
 * Raises an alert when the next local authority is announced, and again 30, 14, 7 and 1 days before it signs: people have
 * to trust it on their machines, which nobody but administrators can tell them.
 *
 * @param states Of all authorities.
 * @param caFile Where the certificates lie that are to be trusted.
 * @param now Milliseconds since the epoch.
 */
export async function watchLocalAuthority(
  states: readonly AuthorityState[],
  alerts: Pick<Alerts, 'raise'>,
  caFile: string,
  now: number,
): Promise<void> {
  for (const { name, certificate, signsAt } of states) {
    if (name !== 'local' || signsAt === null) continue;
    const sha256 = sha256Of(certificate);
    const left = daysLeft({ notAfter: signsAt }, now);
    const step = reminders.find(days => left <= days) ?? 'announced';
    await alerts.raise(`local-authority:${sha256}:${step}`, describe(sha256, signsAt, left, caFile));
  }
}

function describe(
  sha256: string,
  signsAt: number,
  left: number,
  caFile: string,
): Omit<Alert, 'id' | 'createdAt'> {
  const date = new Date(signsAt).toISOString();
  const when = left <= 1 ? 'within a day' : `in ${left} days`;
  return {
    type: 'local_authority_changing',
    title: `The service's local certificate authority changes ${when}`,
    text:
      `The certificate of this service's names comes from its own local authority, which people trust on their machines. A new one ` +
      `takes its place ${when}, on ${date}. Browsers on machines that do not trust it by then may warn of every page.\n\n` +
      `What to do: install the certificates of ${caFile} on every machine where the present one is trusted, and wherever a program was ` +
      `given that file (--ca-file); it holds both. The new one has the SHA-256 fingerprint ${sha256}. "postern ca list" shows when it signs.`,
    details: { sha256, signsAt: date, caFile, daysLeft: left },
  };
}
