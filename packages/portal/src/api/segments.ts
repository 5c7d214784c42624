import type {
  ApplicationSegment,
  ApplicationSegmentUpdate,
} from '@postern/protocol/admin/application-segments';
import { queryOptions } from '@tanstack/react-query';
import { applicationsKey } from './applications.ts';
import { change, readAll } from './client.ts';
import { useChange } from './use-change.ts';

function pathOf(applicationId: string): string {
  return `/applications/${applicationId}/onPremisesPublishing/segmentsConfiguration/microsoft.graph.webSegmentConfiguration/applicationSegments`;
}

/** The segments of a complex application, in the order in which they were made. */
export function segmentsQuery(applicationId: string) {
  return queryOptions({
    queryKey: [...applicationsKey, applicationId, 'segments'],
    queryFn: ({ signal }) => readAll<ApplicationSegment>(pathOf(applicationId), signal),
    refetchInterval: 15_000,
  });
}

/** A change that is refused where somebody else has changed the application after the version of a tag. */
interface SegmentChange {
  /** null for a new one. */
  readonly id: string | null;
  readonly values: ApplicationSegmentUpdate;
  readonly tag: string;
}

export function useSaveSegment(applicationId: string) {
  return useSegmentChange(({ id, values, tag }: SegmentChange) =>
    id === null
      ? change<ApplicationSegment | undefined>('POST', pathOf(applicationId), values, tag)
      : change<ApplicationSegment | undefined>('PATCH', `${pathOf(applicationId)}/${id}`, values, tag),
  );
}

export function useRemoveSegment(applicationId: string) {
  return useSegmentChange(({ id, tag }: { readonly id: string; readonly tag: string }) =>
    change('DELETE', `${pathOf(applicationId)}/${id}`, undefined, tag),
  );
}

function useSegmentChange<Input, Answer>(mutationFn: (input: Input) => Promise<Answer>) {
  // Its version is that of the application.
  return useChange(mutationFn, [applicationsKey]);
}
