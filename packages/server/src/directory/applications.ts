import { randomUUID } from 'node:crypto';
import type { OnPremisesPublishingUpdate } from '@postern/protocol/admin/publishing';
import { isWildcardHost, wildcardLabels } from '@postern/protocol/tunnel/wildcard-host';
import type { Kysely } from 'kysely';
import * as store from '../store/applications.ts';
import { findDefaultConnectorGroup } from '../store/connector-groups.ts';
import { listCustomDomains } from '../store/custom-domains.ts';
import type { Database } from '../store/schema.ts';
import { requireConnectorGroup } from './connector-groups.ts';
import type { ChangeWork, Directory } from './directory.ts';
import { checkVersion, invalid, notFound } from './directory-error.ts';
import { externalUrlOf, type ServiceAddress } from './published-urls.ts';
import { type StoredPublishing, storedPublishing, updatePublishing } from './publishing.ts';
import { requireUnclaimed } from './url-claims.ts';

export interface ApplicationInput {
  readonly displayName: string;
  /** Where the tile in My Apps leads; null for the external URL. */
  readonly homePageUrl?: string | null;
}

/** Settings of the application's service principal: who may use it. */
export interface AccessInput {
  readonly accountEnabled?: boolean;
  readonly assignmentRequired?: boolean;
  readonly visibleToUsers?: boolean;
}

/** Creates an application in the default connector group; it is published by {@link configurePublishing}. */
export async function createApplication(
  directory: Directory,
  input: ApplicationInput,
): Promise<store.ApplicationRow> {
  return directory.change(async db => {
    const group = await findDefaultConnectorGroup(db);
    return store.insertApplication(db, {
      id: randomUUID(),
      appId: randomUUID(),
      servicePrincipalId: randomUUID(),
      displayName: input.displayName,
      connectorGroupId: group.id,
      assignmentRequired: 1,
      accountEnabled: 1,
      visibleToUsers: 1,
      homePageUrl: input.homePageUrl ?? null,
      publishingJson: null,
      externalUrl: null,
      createdAt: directory.now(),
    });
  });
}

/** @throws DirectoryError `not_found`, `precondition_failed`, `invalid`. */
export async function updateApplication(
  directory: Directory,
  id: string,
  update: Partial<ApplicationInput>,
  expectedVersion?: number,
): Promise<store.ApplicationRow> {
  return directory.change(async (db, touched) => {
    const before = await requireApplication(db, id);
    checkVersion(before, expectedVersion);
    if (typeof update.homePageUrl === 'string') checkHomePage(directory, before, update.homePageUrl);
    touched.add('applications', id);
    return store.updateApplication(db, id, {
      ...(update.displayName === undefined ? {} : { displayName: update.displayName }),
      ...(update.homePageUrl === undefined ? {} : { homePageUrl: update.homePageUrl }),
    });
  });
}

/**
 * Publishes an application, or changes how it is published. What the update leaves out stays; the first time it takes
 * its default, the external URL from the application's name.
 *
 * @param along What is changed together with it, or not at all.
 * @throws DirectoryError `not_found`, `precondition_failed`, `invalid`, `conflict` if the external URL is taken.
 */
export async function configurePublishing(
  directory: Directory,
  id: string,
  update: OnPremisesPublishingUpdate,
  expectedVersion?: number,
  along?: ChangeWork<unknown>,
): Promise<store.ApplicationRow> {
  const work: ChangeWork<store.ApplicationRow> = async (db, touched) => {
    const before = await requireApplication(db, id);
    checkVersion(before, expectedVersion);
    const publishing = updatePublishing(before, update, directory.address, await listCustomDomains(db));
    const { externalUrl } = publishing;
    await requireUnclaimed(db, { url: externalUrl, applicationId: id, property: 'externalUrl' });
    const { alternateUrl } = publishing;
    if (alternateUrl !== null) {
      await requireUnclaimed(db, { url: alternateUrl, applicationId: id, property: 'alternateUrl' });
    }
    await along?.(db, touched);
    touched.add('applications', id);
    return store.updateApplication(db, id, {
      externalUrl,
      publishingJson: JSON.stringify(publishing),
      // A home page that is no longer the application's own leads nowhere.
      ...(before.homePageUrl !== null && !isOwnPage(before.homePageUrl, publishing, directory.address)
        ? { homePageUrl: null }
        : {}),
    });
  };
  return directory.change(work, { awaitRelays: along !== undefined });
}

/** @throws DirectoryError `not_found`, `precondition_failed`. */
export async function updateAccess(
  directory: Directory,
  id: string,
  update: AccessInput,
  expectedVersion?: number,
): Promise<store.ApplicationRow> {
  return directory.change(async (db, touched) => {
    checkVersion(await requireApplication(db, id), expectedVersion);
    touched.add('applications', id);
    return store.updateApplication(db, id, {
      ...flag('accountEnabled', update.accountEnabled),
      ...flag('assignmentRequired', update.assignmentRequired),
      ...flag('visibleToUsers', update.visibleToUsers),
    });
  });
}

/** @throws DirectoryError `not_found` of application or connector group, `precondition_failed`. */
export async function setConnectorGroup(
  directory: Directory,
  id: string,
  connectorGroupId: string,
  expectedVersion?: number,
): Promise<store.ApplicationRow> {
  return directory.change(async (db, touched) => {
    checkVersion(await requireApplication(db, id), expectedVersion);
    await requireConnectorGroup(db, connectorGroupId);
    touched.add('applications', id);
    return store.updateApplication(db, id, { connectorGroupId });
  });
}

/**
 * Removes an application with its assignments. Relays let requests in flight finish, and end upgrades.
 *
 * @throws DirectoryError `not_found`, `precondition_failed`.
 */
export async function deleteApplication(
  directory: Directory,
  id: string,
  expectedVersion?: number,
): Promise<void> {
  await directory.change(async (db, touched) => {
    checkVersion(await requireApplication(db, id), expectedVersion);
    await store.deleteApplication(db, id);
    touched.add('applications', id);
  });
}

/** @throws DirectoryError `not_found` */
export async function requireApplication(
  db: Kysely<Database>,
  id: string,
  key: 'id' | 'appId' | 'servicePrincipalId' = 'id',
): Promise<store.ApplicationRow> {
  const application = await store.findApplication(db, id, key);
  if (application === null) {
    throw notFound(key === 'servicePrincipalId' ? 'service principal' : 'application', id);
  }
  return application;
}

function checkHomePage(directory: Directory, row: store.ApplicationRow, homePageUrl: string): void {
  const publishing = storedPublishing(row);
  if (publishing === null || isOwnPage(homePageUrl, publishing, directory.address)) return;
  const root = externalUrlOf(publishing.externalUrl, directory.address);
  throw invalid('homePageUrl', `The home page URL must lie below the external URL ${root}.`);
}

/** Whether a page is one of the application's: below its external URL, or at a host that its wildcard stands for. */
function isOwnPage(page: string, publishing: StoredPublishing, address: ServiceAddress): boolean {
  const url = URL.parse(page);
  if (url === null) return false;
  const roots = publishing.segments?.map(segment => segment.externalUrl) ?? [publishing.externalUrl];
  return roots.some(stored => {
    const root = new URL(externalUrlOf(stored, address));
    if (!isWildcardHost(root.hostname)) return url.href.startsWith(root.href);
    const isUnder = wildcardLabels(root.hostname, url.hostname) !== null;
    return isUnder && url.protocol === root.protocol && url.port === root.port;
  });
}

function flag<Name extends string>(name: Name, value: boolean | undefined): Partial<Record<Name, number>> {
  return value === undefined ? {} : ({ [name]: value ? 1 : 0 } as Record<Name, number>);
}
