import type { CorsConfiguration } from '@postern/protocol/admin/cors';
import type { AdminClient } from './admin-client.ts';
import { findApplication, requirePublishing } from './find-object.ts';
import { findSegment, segmentsPath } from './find-segment.ts';

/** The rules of an application or of one of its segments, and how to replace them. */
export interface CorsRules {
  readonly rules: readonly CorsConfiguration[];
  replace(rules: readonly CorsConfiguration[]): Promise<void>;
}

/** @param segment Its external URL, the host of that, or its id; undefined for the application's own rules. */
export async function findCorsRules(
  admin: AdminClient,
  nameOrId: string,
  segment: string | undefined,
): Promise<CorsRules> {
  const application = await findApplication(admin, nameOrId);
  const { id } = application;
  if (segment === undefined) {
    return {
      rules: requirePublishing(application).corsConfigurations,
      replace: corsConfigurations =>
        admin.send('PATCH', `applications/${id}`, { onPremisesPublishing: { corsConfigurations } }),
    };
  }
  const found = await findSegment(admin, id, segment);
  return {
    rules: found.corsConfigurations,
    replace: corsConfigurations =>
      admin.send('PATCH', `${segmentsPath(id)}/${found.id}`, { corsConfigurations }),
  };
}
