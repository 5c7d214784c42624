import type { CorsConfiguration } from '@postern/protocol/admin/cors';
import type { ApplicationWithAccess } from './applications.ts';
import { useChangeApplication } from './applications.ts';
import { useSaveSegment } from './segments.ts';

/** Replaces the rules of an application, or those of one of its segments; refused where somebody else came between. */
export function useSaveCorsRules(shown: ApplicationWithAccess, segmentId: string | null) {
  const change = useChangeApplication(shown);
  const save = useSaveSegment(shown.application.id);
  const { isPending, error } = segmentId === null ? change : save;
  return {
    isPending,
    error,
    mutate: (corsConfigurations: CorsConfiguration[], onSuccess: () => void) => {
      const { tag } = shown;
      const values = { corsConfigurations };
      if (segmentId === null) change.mutate({ wanted: { part: 'publishing', values }, tag }, { onSuccess });
      else save.mutate({ id: segmentId, values, tag }, { onSuccess });
    },
  };
}
