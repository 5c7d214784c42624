import type { EnrolmentTokenDescription } from '@postern/protocol/admin/enrolment-tokens';
import { queryOptions } from '@tanstack/react-query';
import { change, readAll } from './client.ts';
import { useChange } from './use-change.ts';

const path = '/onPremisesPublishingProfiles/applicationProxy/enrolmentTokens';
const key = ['enrolment-tokens'];

/** What the service answers when it has made a token: this once with the token itself. */
export interface CreatedEnrolmentToken extends EnrolmentTokenDescription {
  readonly token: string;
  /** What to run on the machine. */
  readonly command: string;
}

interface NewEnrolmentToken {
  readonly displayName?: string;
  /** The default group where absent. */
  readonly connectorGroupId?: string;
  readonly maxUses: number;
  readonly lifetimeSeconds: number;
}

export const enrolmentTokensQuery = queryOptions({
  queryKey: key,
  queryFn: ({ signal }) => readAll<EnrolmentTokenDescription>(path, signal),
  refetchInterval: 15_000,
});

export function useCreateEnrolmentToken() {
  return useChange(
    (wanted: NewEnrolmentToken) => change<CreatedEnrolmentToken>('POST', path, wanted),
    [key],
    // The token is a secret: it goes with the dialog that shows it.
    { gcTime: 0 },
  );
}

export function useRevokeEnrolmentToken() {
  return useChange((id: string) => change('DELETE', `${path}/${id}`), [key]);
}
