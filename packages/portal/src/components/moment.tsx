import { useEffect, useState } from 'react';

const absolute = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium',
  timeStyle: 'short',
});
const withZone = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'full',
  timeStyle: 'long',
});
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });

const steps: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400_000],
  ['month', 30 * 86_400_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];

/** A time in the reader's zone, which the tooltip names; `relative` says how long ago or ahead it is. */
export function Moment({ at, isRelative = false }: { readonly at: string; readonly isRelative?: boolean }) {
  const now = useNow(isRelative);
  const date = new Date(at);
  return (
    <time dateTime={at} title={withZone.format(date)}>
      {isRelative ? distance(date.getTime() - now) : absolute.format(date)}
    </time>
  );
}

function distance(differenceMs: number): string {
  const step = steps.find(([, ms]) => Math.abs(differenceMs) >= ms);
  if (step === undefined) return differenceMs > 0 ? 'in less than a minute' : 'less than a minute ago';
  return relative.format(Math.trunc(differenceMs / step[1]), step[0]);
}

/** Milliseconds since the epoch, anew twice a minute. */
function useNow(isRunning: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isRunning) return;
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, [isRunning]);
  return now;
}
