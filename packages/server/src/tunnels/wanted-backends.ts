import { hash } from 'node:crypto';
import type { BackendConfiguration } from '@postern/protocol/tunnel/messages';
import type { ApplicationRecord } from '../feed/messages.ts';

type BackendsByGroup = ReadonlyMap<string, readonly BackendConfiguration[]>;

/**
 * What the connectors of each group may dial: the backends of its applications. A group's list is the same object until
 * one of its backends changes, so that nothing is pushed to connectors that have it already.
 */
export class WantedBackends {
  #ofApplication = new Map<ApplicationRecord, readonly BackendConfiguration[]>();
  #byGroup: BackendsByGroup = new Map();

  /** @param applications Records; one that is the same object as before has not changed. */
  update(applications: Iterable<ApplicationRecord>): BackendsByGroup {
    const ofApplication = new Map<ApplicationRecord, readonly BackendConfiguration[]>();
    const byGroup = new Map<string, BackendConfiguration[]>();
    for (const application of applications) {
      const backends = this.#ofApplication.get(application) ?? backendsOf(application);
      ofApplication.set(application, backends);
      const group = byGroup.get(application.connectorGroupId);
      if (group) group.push(...backends);
      else byGroup.set(application.connectorGroupId, [...backends]);
    }
    this.#ofApplication = ofApplication;
    this.#byGroup = new Map([...byGroup].map(([id, backends]) => [id, this.#unlessKnown(id, backends)]));
    return this.#byGroup;
  }

  #unlessKnown(groupId: string, backends: readonly BackendConfiguration[]): readonly BackendConfiguration[] {
    const known = this.#byGroup.get(groupId);
    if (known?.length !== backends.length) return backends;
    return known.every((backend, index) => isSame(backend, backends[index]!)) ? known : backends;
  }
}

function backendsOf(application: ApplicationRecord): readonly BackendConfiguration[] {
  const { id, internalUrl, segments, backends } = application;
  // Of a complex application nothing but its segments is published.
  if (segments === undefined) {
    const further = backends?.further ?? [];
    return [
      backendOf(application, id, new URL(internalUrl)),
      ...further.map(({ origin }) => backendOf(application, backendIdOf(id, origin), new URL(origin))),
    ];
  }
  return segments.map(segment => backendOf(application, `${id}/${segment.id}`, new URL(segment.internalUrl)));
}

/**
 * What connectors know a backend beside the internal URL by. It follows from the backend alone, so that those that stay
 * are the same when others come and go.
 */
export function backendIdOf(applicationId: string, origin: string): string {
  return `${applicationId} ${origin}`;
}

/** What connectors may dial for an internal URL of an application. */
export function backendOf(
  application: ApplicationRecord,
  applicationId: string,
  { hostname, port, protocol }: URL,
): BackendConfiguration {
  return {
    applicationId,
    // Connectors resolve names and connect to addresses; only in a URL do brackets belong to one of IPv6.
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (protocol === 'https:' ? 443 : 80),
    tls: protocol === 'https:',
    validateCertificate: application.validateBackendCertificate,
    ...(protocol === 'https:' &&
      application.backendAuthorities !== undefined && { authorities: application.backendAuthorities }),
    ...(application.backendProtocol !== undefined && { http2: true }),
  };
}

function isSame(one: BackendConfiguration, other: BackendConfiguration): boolean {
  if (one === other) return true;
  return JSON.stringify(one) === JSON.stringify(other);
}

/** A configuration stays the same object until it changes, and is asked about for every tunnel of its group. */
const keys = new WeakMap<BackendConfiguration, string>();

/** What tells one backend from another; a connection made for one is never used for the other. */
export function backendKeyOf(backend: BackendConfiguration): string {
  const known = keys.get(backend);
  if (known !== undefined) return known;
  const { tls, host, port, validateCertificate, authorities, http2 } = backend;
  const trust = authorities === undefined ? '' : ` ${hash('sha256', authorities)}`;
  const key = `${tls ? 'https' : 'http'}://${host}:${port} ${validateCertificate}${trust}${http2 ? ' http2' : ''}`;
  keys.set(backend, key);
  return key;
}
