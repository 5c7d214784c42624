import type { PathOutcome } from '../feed/path-outcomes.ts';
import { storedPublishing } from './publishing.ts';

/** What is known of the way to an application. Times in milliseconds since the epoch. */
export interface PathStatus {
  readonly state: 'reachable' | 'unreachable' | 'unknown' | 'maintenance';
  readonly hop: string | null;
  readonly code: string | null;
  readonly since: number | null;
  readonly observed: number | null;
}

/** What was seen longer ago says how it was, not how it is. */
const freshMs = 10 * 60_000;

/**
 * Puts together what relays saw of an application and what is known without asking. Nothing here comes from how the
 * application is configured, but for maintenance, in which nobody is let through to find out.
 *
 * @param isGroupLive Whether a connector of its group answers this moment.
 */
export function pathStatus(
  application: { readonly publishingJson: string | null },
  outcome: PathOutcome | undefined,
  isGroupLive: boolean,
  now: number,
): PathStatus {
  const publishing = storedPublishing(application);
  const nothing = { hop: null, code: null, since: null, observed: outcome?.at ?? null };
  if (publishing === null) return { state: 'unknown', ...nothing };
  if (publishing.maintenanceMode.isEnabled) return { state: 'maintenance', ...nothing };
  if (!isGroupLive) {
    const since = outcome?.failure?.code === 'no_connector' ? outcome.since : null;
    return { state: 'unreachable', hop: 'tunnel', code: 'no_connector', since, observed: now };
  }
  const { failure = null, since = 0, at = 0 } = outcome ?? {};
  // A connector has come since the last request missed one; whether the rest of the way is well is not known.
  const isOutdated = failure?.code === 'no_connector' || now - at > freshMs;
  if (outcome === undefined || isOutdated) return { state: 'unknown', ...nothing };
  const state = failure === null ? 'reachable' : 'unreachable';
  return { state, hop: failure?.hop ?? null, code: failure?.code ?? null, since, observed: at };
}
