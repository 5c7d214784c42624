import { randomUUID } from 'node:crypto';
import type {
  ApplicationSegment,
  ApplicationSegmentCreate,
  ApplicationSegmentUpdate,
} from '@postern/protocol/admin/application-segments';
import { wildcardLabels } from '@postern/protocol/tunnel/wildcard-host';
import type { Kysely } from 'kysely';
import { type ApplicationRow, updateApplication } from '../store/applications.ts';
import { listCustomDomains } from '../store/custom-domains.ts';
import type { Database } from '../store/schema.ts';
import { requireApplication } from './applications.ts';
import type { Directory } from './directory.ts';
import { checkVersion, DirectoryError, invalid, notFound } from './directory-error.ts';
import { externalUrlOf, parseExternalUrl, parseInternalUrl, type ServiceAddress } from './published-urls.ts';
import { checkBackendProtocol, type StoredPublishing, storedPublishing } from './publishing.ts';
import { requireUnclaimed } from './url-claims.ts';
import { isWildcardUrl } from './wildcard-urls.ts';

/** More are refused, so that a mistake in a script does not fill every relay. */
const maxSegments = 1_000;

/** The segments of an application, in the order in which they were made. */
export function segmentsOf(row: ApplicationRow, address: ServiceAddress): readonly ApplicationSegment[] {
  const segments = storedPublishing(row)?.segments ?? [];
  return segments.map(one => ({ ...one, externalUrl: externalUrlOf(one.externalUrl, address) }));
}

/** @throws DirectoryError `not_found` */
export function requireSegment(row: ApplicationRow, id: string, address: ServiceAddress): ApplicationSegment {
  const segment = segmentsOf(row, address).find(one => one.id === id);
  if (segment === undefined) throw notFound('segment', id);
  return segment;
}

/**
 * Adds a segment to a complex application. From the first one on nothing but segments is published under its wildcard.
 *
 * @throws DirectoryError `not_found`, `precondition_failed`, `invalid`, `conflict` if the external URL is taken.
 */
export async function createSegment(
  directory: Directory,
  applicationId: string,
  input: ApplicationSegmentCreate,
  expectedVersion?: number,
): Promise<{ segment: ApplicationSegment; row: ApplicationRow }> {
  const id = randomUUID();
  const row = await changeSegments(directory, applicationId, expectedVersion, async (db, publishing) => {
    const { segments = [] } = publishing;
    if (segments.length >= maxSegments) {
      throw new DirectoryError('conflict', `An application has at most ${maxSegments} segments.`);
    }
    return [...segments, await checked(db, directory, applicationId, publishing, { id, ...input })];
  });
  return { segment: requireSegment(row, id, directory.address), row };
}

/** @throws DirectoryError `not_found`, `precondition_failed`, `invalid`, `conflict` if the external URL is taken. */
export async function updateSegment(
  directory: Directory,
  applicationId: string,
  id: string,
  update: ApplicationSegmentUpdate,
  expectedVersion?: number,
): Promise<ApplicationRow> {
  return changeSegments(directory, applicationId, expectedVersion, async (db, publishing) => {
    const { segments = [] } = publishing;
    const before = segments.find(one => one.id === id);
    if (before === undefined) throw notFound('segment', id);
    const after = await checked(db, directory, applicationId, publishing, { ...before, ...update });
    return segments.map(one => (one.id === id ? after : one));
  });
}

/**
 * Removes a segment. With the last one the application is a plain wildcard again, and every host under it is published.
 *
 * @throws DirectoryError `not_found`, `precondition_failed`.
 */
export async function deleteSegment(
  directory: Directory,
  applicationId: string,
  id: string,
  expectedVersion?: number,
): Promise<ApplicationRow> {
  return changeSegments(directory, applicationId, expectedVersion, async (_db, { segments = [] }) => {
    const left = segments.filter(one => one.id !== id);
    if (left.length === segments.length) throw notFound('segment', id);
    return left;
  });
}

async function changeSegments(
  directory: Directory,
  applicationId: string,
  expectedVersion: number | undefined,
  change: (db: Kysely<Database>, publishing: StoredPublishing) => Promise<readonly ApplicationSegment[]>,
): Promise<ApplicationRow> {
  return directory.change(async (db, touched) => {
    const row = await requireApplication(db, applicationId);
    checkVersion(row, expectedVersion);
    const publishing = storedPublishing(row);
    if (publishing === null || !isWildcardUrl(publishing.externalUrl)) {
      throw new DirectoryError(
        'conflict',
        `Segments are parts of an application with a wildcard: publish ${row.displayName} with an external URL such as https://*.apps.${directory.address.domain}/ first.`,
        { property: 'externalUrl' },
      );
    }
    const segments = await change(db, publishing);
    touched.add('applications', applicationId);
    checkBackendProtocol({ ...publishing, segments });
    const { segments: _, ...rest } = publishing;
    const publishingJson = JSON.stringify(segments.length === 0 ? rest : { ...rest, segments });
    return updateApplication(db, applicationId, { publishingJson });
  });
}

async function checked(
  db: Kysely<Database>,
  directory: Directory,
  applicationId: string,
  publishing: StoredPublishing,
  segment: ApplicationSegment,
): Promise<ApplicationSegment> {
  const domains = await listCustomDomains(db);
  const externalUrl = parseExternalUrl(segment.externalUrl, directory.address, domains);
  const internalUrl = parseInternalUrl(segment.internalUrl);
  if (isWildcardUrl(externalUrl)) {
    throw invalid('externalUrl', 'A segment has a host of its own; the wildcard is the application’s.');
  }
  if (isWildcardUrl(internalUrl)) {
    throw invalid('internalUrl', 'A segment has a host of its own; the wildcard is the application’s.');
  }
  const wildcard = new URL(publishing.externalUrl).hostname;
  if (wildcardLabels(wildcard, new URL(externalUrl).hostname) === null) {
    throw invalid(
      'externalUrl',
      `The external URL of a segment lies under the application's: its host must be a name under ${wildcard.slice(2)}, such as https://api.${wildcard.slice(2)}/.`,
    );
  }
  await requireUnclaimed(db, {
    url: externalUrl,
    applicationId,
    segmentId: segment.id,
    property: 'externalUrl',
  });
  return { ...segment, externalUrl, internalUrl };
}
