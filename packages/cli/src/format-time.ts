/** A time of the service (ISO 8601) in the reader's zone, the zone named; null stays null. */
export function formatTime(iso: string | null): string | null {
  if (iso === null) {
    return null;
  }
  return new Date(iso).toLocaleString('en-GB', {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  });
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
] as const;

/**
 * How long ago a time of the service (ISO 8601) is, in its greatest unit: `3 d ago`.
 *
 * @param now Milliseconds since the epoch.
 */
export function formatAge(iso: string, now: number): string {
  const agoMs = now - Date.parse(iso);
  const [unit, unitMs] = units.find(([, lengthMs]) => agoMs >= lengthMs) ?? ['s', 1_000];
  return `${Math.max(0, Math.floor(agoMs / unitMs))} ${unit} ago`;
}
