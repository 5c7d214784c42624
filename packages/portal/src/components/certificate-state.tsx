import { CheckIcon, CrossIcon, WarningIcon } from './icons.tsx';
import { StateMark } from './state-mark.tsx';

interface CertificateStateProps {
  readonly certificate: { readonly expiresInDays: number; readonly expiryWarning: number | null };
}

/** Whether a certificate is good, and for how long; a warning as soon as somebody should do something. */
export function CertificateState({ certificate: { expiresInDays, expiryWarning } }: CertificateStateProps) {
  if (expiresInDays <= 0) return <StateMark word="Expired" StateIcon={CrossIcon} tone="bad" />;
  const word = `${daysOf(expiresInDays)} left`;
  return expiryWarning === null ? (
    <StateMark word={word} StateIcon={CheckIcon} tone="good" />
  ) : (
    <StateMark word={word} StateIcon={WarningIcon} tone="warning" />
  );
}

/** Such as `1 day` or `30 days`. */
export function daysOf(count: number): string {
  return count === 1 ? '1 day' : `${count} days`;
}
