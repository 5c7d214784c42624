import { type ApplicationSegment, applicationSegment } from '@postern/protocol/admin/application-segments';
import type { AdminClient } from './admin-client.ts';
import { CliError } from './cli-error.ts';

/** Where the segments of an application are in the admin API. */
export function segmentsPath(applicationId: string): string {
  return `applications/${applicationId}/onPremisesPublishing/segmentsConfiguration/microsoft.graph.webSegmentConfiguration/applicationSegments`;
}

export function listSegments(admin: AdminClient, applicationId: string): Promise<ApplicationSegment[]> {
  return admin.list(segmentsPath(applicationId), applicationSegment);
}

/**
 * Finds a segment by its external URL, the host of that, or its id.
 *
 * @throws CliError `notFound`, or `conflict` where several segments are at that host.
 */
export async function findSegment(
  admin: AdminClient,
  applicationId: string,
  given: string,
): Promise<ApplicationSegment> {
  const segments = await listSegments(admin, applicationId);
  const exact = segments.find(
    one => one.id === given || one.externalUrl === given || one.externalUrl === `${given}/`,
  );
  if (exact !== undefined) return exact;
  const ofHost = segments.filter(one => new URL(one.externalUrl).hostname === given.toLowerCase());
  if (ofHost.length === 1) return ofHost[0];
  if (ofHost.length === 0) {
    throw new CliError('notFound', `There is no segment "${given}".`, {
      remedy: '`postern app segment list` shows them all.',
    });
  }
  throw new CliError('conflict', `${ofHost.length} segments are at ${given}.`, {
    remedy: `Name one by its external URL: ${ofHost.map(one => one.externalUrl).join(', ')}.`,
  });
}
