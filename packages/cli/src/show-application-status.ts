import { applicationTest } from '@postern/protocol/admin/application-test';
import type { ApplicationStatus } from '@postern/protocol/admin/applications';
import type { AdminClient } from './admin-client.ts';
import { formatTime } from './format-time.ts';

/** The word for a list. */
export function shortStatus({ state, hop }: ApplicationStatus): string {
  return state === 'unreachable' && hop !== null ? `unreachable (${hop})` : state;
}

/** The same with what is wrong and since when. */
export function fullStatus(status: ApplicationStatus): string {
  const { state, code, sinceDateTime, observedDateTime } = status;
  const since = sinceDateTime === null ? '' : ` since ${formatTime(sinceDateTime)}`;
  switch (state) {
    case 'reachable':
      return `reachable${since}`;
    case 'unreachable':
      return `${shortStatus(status)}: ${code ?? 'no answer'}${since}`;
    case 'maintenance':
      return 'maintenance';
    case 'unknown':
      return observedDateTime === null
        ? 'unknown: no request yet; --probe sends one'
        : `unknown: no request since ${formatTime(observedDateTime)}; --probe sends one`;
  }
}

/** So many tests run at a time. */
const atOnce = 4;

/** Sends a request to each application, so that their status is of this moment. What comes of it stands there. */
export async function probe(admin: AdminClient, ids: readonly string[]): Promise<void> {
  const waiting = [...ids];
  const work = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      // A wildcard without a home page has no address that could be asked for.
      await admin.post(`applications/${id}/test`, {}, applicationTest).catch(() => null);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
