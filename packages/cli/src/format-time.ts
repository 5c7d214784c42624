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
