import { applicationTest } from '@postern/protocol/admin/application-test';
import type { Application } from '@postern/protocol/admin/applications';
import type { AdminClient } from './admin-client.ts';
import { formatTime } from './format-time.ts';

type Shown = Pick<Application, 'status' | 'onPremisesPublishing'>;

/** The word for a list. */
export function shortStatus({ status: { state, hop }, onPremisesPublishing }: Shown): string {
  if (onPremisesPublishing === null) return 'not published';
  return state === 'unreachable' && hop !== null ? `unreachable (${hop})` : state;
}

/** The same with what is wrong and since when. */
export function fullStatus(application: Shown): string {
  if (application.onPremisesPublishing === null) {
    return 'not published: it has no addresses yet; `postern app update --internal-url` gives it some';
  }
  const { state, code, sinceDateTime, observedDateTime } = application.status;
  const since = sinceDateTime === null ? '' : ` since ${formatTime(sinceDateTime)}`;
  switch (state) {
    case 'reachable':
      return `reachable${since}`;
    case 'unreachable':
      return `${shortStatus(application)}: ${code ?? 'no answer'}${since}`;
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
