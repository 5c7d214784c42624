import type { Kysely } from 'kysely';
import {
  type ApplicationRow,
  findApplicationsByExternalUrl,
  findPublishedWith,
} from '../store/applications.ts';
import type { Database } from '../store/schema.ts';
import { DirectoryError } from './directory-error.ts';
import { storedPublishing } from './publishing.ts';
import { coveringWildcards } from './wildcard-urls.ts';

/** A URL that an application or one of its segments is to have. */
export interface Claim {
  /** As stored: lower-case host, no port. */
  readonly url: string;
  /** Who claims it: what it has already is no conflict. */
  readonly applicationId: string;
  /** The segment, where one claims it. */
  readonly segmentId?: string;
  /** What the person who asks calls it. */
  readonly property: 'externalUrl' | 'alternateUrl';
}

/**
 * Makes sure that nobody else has an external URL: no application, no segment, and nobody as an alternate one. Upper and
 * lower case in the path do not make another URL, since a backend may not tell them apart.
 *
 * @throws DirectoryError `conflict`, which names the application that has it.
 */
export async function requireUnclaimed(db: Kysely<Database>, claim: Claim): Promise<void> {
  const { url, applicationId, segmentId } = claim;
  for (const row of await findApplicationsByExternalUrl(db, url)) {
    if (row.id !== applicationId || segmentId !== undefined || claim.property === 'alternateUrl') {
      throw taken(claim, `the application ${row.displayName}`);
    }
  }
  for (const row of await findPublishedWith(db, 'alternateUrl')) {
    const alternateUrl = storedPublishing(row)?.alternateUrl ?? '';
    if (!isSame(alternateUrl, url)) continue;
    if (row.id === applicationId && claim.property === 'alternateUrl') continue;
    throw taken(claim, `the application ${row.displayName} as its alternate URL`);
  }
  for (const row of await applicationsOf(db, coveringWildcards(url))) {
    const segment = storedPublishing(row)?.segments?.find(one => isSame(one.externalUrl, url));
    if (segment === undefined || (row.id === applicationId && segment.id === segmentId)) continue;
    throw taken(claim, `a segment of the application ${row.displayName}`);
  }
}

async function applicationsOf(db: Kysely<Database>, urls: readonly string[]): Promise<ApplicationRow[]> {
  const found = await Promise.all(urls.map(url => findApplicationsByExternalUrl(db, url)));
  return found.flat();
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

function taken({ url, property }: Claim, whose: string): DirectoryError {
  const name = property === 'externalUrl' ? 'external' : 'alternate';
  return new DirectoryError(
    'conflict',
    `The ${name} URL ${url} belongs to ${whose}. Choose another host or path, or change that one first.`,
    { property },
  );
}
