const dayMs = 24 * 3_600_000;

/** Days before the end of a trust certificate at which somebody is warned. */
const warningDays: readonly number[] = [30, 14, 7, 1];

/** When a certificate is valid, in milliseconds since the epoch. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Whole days until the end, begun ones counted; 0 or less once it is past. */
export function daysLeft({ notAfter }: Pick<Validity, 'notAfter'>, now: number): number {
  return Math.ceil((notAfter - now) / dayMs);
}

/**
 * The warning that is due: the lowest of 30, 14, 7 and 1 days that has been reached, 0 where the certificate has
 * expired, null where there is nothing to warn of. Certificates are renewed at two thirds of their life: of those with
 * a short one, days that come before that are no reason to worry.
 */
export function dueWarning(validity: Validity, now: number): number | null {
  const { notBefore, notAfter } = validity;
  if (now > notAfter) return 0;
  const thirdMs = (notAfter - notBefore) / 3;
  const reached = warningDays.filter(days => notAfter - now <= days * dayMs && days * dayMs < thirdMs);
  return reached.at(-1) ?? null;
}
