import { isDeepStrictEqual } from 'node:util';
import type { ApplicationSegment } from '@postern/protocol/admin/application-segments';
import {
  backendTimeoutMs,
  normalizePublishedUrl,
  type OnPremisesPublishing,
  type OnPremisesPublishingUpdate,
  publishingDefaults,
} from '@postern/protocol/admin/publishing';
import { isWildcardHost, wildcardLabels } from '@postern/protocol/tunnel/wildcard-host';
import type { ApplicationRecord, CredentialRecord } from '../feed/messages.ts';
import type { ApplicationCredentialRow } from '../store/application-credentials.ts';
import type { ApplicationRow } from '../store/applications.ts';
import type { CustomDomainRow } from '../store/custom-domains.ts';
import { parseBackendAuthorities } from './backend-authorities.ts';
import { invalid } from './directory-error.ts';
import {
  defaultExternalUrl,
  externalUrlOf,
  parseAlternateUrl,
  parseExternalUrl,
  parseInternalUrl,
  type ServiceAddress,
} from './published-urls.ts';
import { parseBackends } from './publishing-backends.ts';
import { checkWildcardPair, isWildcardUrl } from './wildcard-urls.ts';

/** What `publishingJson` holds; the external URL is without the service's port. */
export type StoredPublishing = Omit<OnPremisesPublishing, 'isOnPremPublishingEnabled'> & {
  /** Of a complex application; never an empty list. */
  readonly segments?: readonly ApplicationSegment[];
};

/** How an application is published, as it is shown; null where it has not been configured. */
export function publishingOf(row: ApplicationRow, address: ServiceAddress): OnPremisesPublishing | null {
  const stored = storedPublishing(row);
  if (stored === null) return null;
  const { segments: _, alternateUrl, ...shown } = stored;
  return {
    ...shown,
    externalUrl: externalUrlOf(stored.externalUrl, address),
    alternateUrl: alternateUrl === null ? null : externalUrlOf(alternateUrl, address),
    isOnPremPublishingEnabled: row.accountEnabled === 1,
  };
}

export function storedPublishing(row: Pick<ApplicationRow, 'publishingJson'>): StoredPublishing | null {
  if (row.publishingJson === null) return null;
  // What was stored before a setting existed takes the setting's default.
  const stored = JSON.parse(row.publishingJson) as StoredPublishing;
  return { ...publishingDefaults, ...stored, isSecureCookieEnabled: true };
}

/**
 * Applies an update to how an application is published: what it leaves out stays, or takes its default the first time.
 *
 * @throws DirectoryError `invalid` where a URL cannot be used, or the internal one is missing.
 */
export function updatePublishing(
  row: ApplicationRow,
  given: OnPremisesPublishingUpdate,
  address: ServiceAddress,
  domains: readonly CustomDomainRow[] = [],
): StoredPublishing {
  const before = storedPublishing(row);
  const update = withoutCredentials(given);
  const internalUrl = update.internalUrl ?? before?.internalUrl;
  if (internalUrl === undefined) {
    throw invalid('internalUrl', 'An application needs an internal URL: where the connector reaches it.');
  }
  const settings = { ...publishingDefaults, ...before };
  refuseIdentityHeaders(update, address);
  const parsedInternalUrl = parseInternalUrl(internalUrl);
  const { alternateUrl, backendCertificateAuthorities: authorities } = update;
  const publishing: StoredPublishing = {
    ...settings,
    ...update,
    ...(typeof alternateUrl === 'string' && {
      alternateUrl: parseAlternateUrl(alternateUrl, address, domains),
    }),
    ...(typeof authorities === 'string' && {
      backendCertificateAuthorities: parseBackendAuthorities(authorities),
    }),
    customHeaders: { ...settings.customHeaders, ...update.customHeaders },
    securityHeaders: { ...settings.securityHeaders, ...update.securityHeaders },
    limits: { ...settings.limits, ...update.limits },
    linkTranslation: { ...settings.linkTranslation, ...update.linkTranslation },
    maintenanceMode: { ...settings.maintenanceMode, ...update.maintenanceMode },
    clientAuthentication: { ...settings.clientAuthentication, ...update.clientAuthentication },
    healthProbe: { ...settings.healthProbe, ...update.healthProbe },
    internalUrl: parsedInternalUrl,
    backends: parseBackends(update.backends ?? settings.backends, parsedInternalUrl),
    externalUrl:
      update.externalUrl === undefined
        ? (before?.externalUrl ?? defaultExternalUrl(row.displayName, address))
        : parseExternalUrl(update.externalUrl, address, domains),
  };
  checkWildcardPair(publishing.externalUrl, publishing.internalUrl);
  if (publishing.alternateUrl !== null && isWildcardUrl(publishing.externalUrl)) {
    throw invalid('alternateUrl', 'An application with a wildcard has no alternate URL: set it to null.');
  }
  checkSegments(publishing);
  checkBackendProtocol(publishing);
  return publishing;
}

/** Certificates have a store of their own: neither key nor password may get into the settings. */
function withoutCredentials(update: OnPremisesPublishingUpdate) {
  const {
    verifiedCustomDomainKeyCredential: _key,
    verifiedCustomDomainPasswordCredential: _word,
    ...rest
  } = update;
  return rest;
}

/** The segments of an application stay under its wildcard. */
function checkSegments({ externalUrl, segments = [] }: StoredPublishing): void {
  const wildcard = new URL(externalUrl).hostname;
  const left = segments.find(
    one => !isWildcardHost(wildcard) || wildcardLabels(wildcard, new URL(one.externalUrl).hostname) === null,
  );
  if (left === undefined) return;
  throw invalid(
    'externalUrl',
    `The segment ${left.externalUrl} would not lie under ${externalUrl} any more. Remove or change the segment first.`,
  );
}

const schemeOf = { http2: 'https:', h2c: 'http:' } as const;

/**
 * HTTP/2 over TLS and in the clear are two things, and an address says which of them it can be.
 *
 * @throws DirectoryError `invalid` where one says another than the application is set to.
 */
export function checkBackendProtocol(publishing: StoredPublishing): void {
  const { backendProtocol, internalUrl, backends, segments = [] } = publishing;
  if (backendProtocol === 'http1') return;
  const scheme = schemeOf[backendProtocol];
  const urls = [internalUrl, ...backends.map(one => one.url), ...segments.map(one => one.internalUrl)];
  const other = urls.find(url => new URL(url).protocol !== scheme);
  if (other === undefined) return;
  const example = scheme === 'http:' ? 'http://grpc.corp.example:50051/' : 'https://grpc.corp.example/';
  const fitting = scheme === 'http:' ? 'http2' : 'h2c';
  throw invalid(
    'backendProtocol',
    `${backendProtocol} is for addresses that begin with ${scheme}//, such as ${example}; for ${other} set ${fitting}.`,
  );
}

/** The service's own word on who is asking must be the only one (threat C1). */
function refuseIdentityHeaders(
  { customHeaders }: OnPremisesPublishingUpdate,
  { identityHeaders = {} }: ServiceAddress,
): void {
  const taken = new Set(Object.values(identityHeaders).map(name => name.toLowerCase()));
  const { setRequestHeaders = [], removeRequestHeaders = [] } = customHeaders ?? {};
  for (const name of [...setRequestHeaders.map(field => field.name), ...removeRequestHeaders]) {
    if (!taken.has(name.toLowerCase())) continue;
    throw invalid(
      'customHeaders',
      `The header ${name} tells backends who is asking (identityHeaders in the configuration of the service); use another name, such as X-Remote-User.`,
    );
  }
}

/** A published application as relays need it; null where it is not published. */
export function applicationRecordOf(
  row: ApplicationRow,
  assigned: {
    readonly userIds: readonly string[];
    readonly groupIds: readonly string[];
    readonly credentials: readonly ApplicationCredentialRow[];
  },
  address: ServiceAddress,
): ApplicationRecord | null {
  const publishing = storedPublishing(row);
  if (publishing === null) return null;
  return {
    id: row.id,
    displayName: row.displayName,
    externalUrl: externalUrlOf(publishing.externalUrl, address),
    internalUrl: publishing.internalUrl,
    preAuthentication:
      publishing.externalAuthenticationType === 'passthru' ? 'passthrough' : 'preAuthenticated',
    connectorGroupId: row.connectorGroupId,
    assignmentRequired: row.assignmentRequired === 1,
    assignedUserIds: assigned.userIds,
    assignedGroupIds: assigned.groupIds,
    backendTimeoutMs: backendTimeoutMs(publishing.applicationServerTimeout),
    translateHostHeader: publishing.isTranslateHostHeaderEnabled,
    ...linkSettingsOf(publishing),
    validateBackendCertificate: publishing.isBackendCertificateValidationEnabled,
    enabled: row.accountEnabled === 1,
    ...(publishing.backendCertificateAuthorities === null
      ? {}
      : { backendAuthorities: publishing.backendCertificateAuthorities }),
    ...(publishing.backendProtocol === 'http1' ? {} : { backendProtocol: publishing.backendProtocol }),
    ...(publishing.isSessionAffinityEnabled ? { keepsClients: true } : {}),
    ...backendSettingsOf(publishing),
    ...(publishing.isHttpOnlyCookieEnabled ? { httpOnlyCookies: true } : {}),
    ...(publishing.robotsTxt === 'fromApplication' ? { ownRobotsTxt: true } : {}),
    ...unlessDefault('customHeaders', publishing.customHeaders),
    ...unlessDefault('securityHeaders', publishing.securityHeaders),
    ...unlessDefault('limits', publishing.limits),
    ...unlessDefault('clientAuthentication', publishing.clientAuthentication),
    ...(publishing.corsConfigurations.length > 0 ? { cors: publishing.corsConfigurations } : {}),
    ...(publishing.alternateUrl === null ? {} : { alternateUrl: alternateOf(publishing, address) }),
    ...(publishing.segments === undefined ? {} : { segments: segmentRecords(publishing.segments, address) }),
    ...(publishing.maintenanceMode.isEnabled ? { maintenanceMode: publishing.maintenanceMode } : {}),
    ...(assigned.credentials.length > 0 ? { credentials: assigned.credentials.map(credentialRecordOf) } : {}),
  };
}

function credentialRecordOf(row: ApplicationCredentialRow): CredentialRecord {
  const { id, clientId, displayName, secretHash, certificateSha256, expiresAt } = row;
  const record = { id, clientId, displayName, secretHash, expiresAt };
  return certificateSha256 === null ? record : { ...record, certificateSha256 };
}

function alternateOf(
  publishing: StoredPublishing,
  address: ServiceAddress,
): ApplicationRecord['alternateUrl'] {
  const url = externalUrlOf(publishing.alternateUrl ?? publishing.externalUrl, address);
  return { url, isKept: publishing.useAlternateUrlForTranslationAndRedirect };
}

function segmentRecords(
  segments: readonly ApplicationSegment[],
  address: ServiceAddress,
): ApplicationRecord['segments'] {
  return segments.map(({ id, externalUrl, internalUrl, corsConfigurations }) => ({
    id,
    externalUrl: externalUrlOf(externalUrl, address),
    internalUrl,
    ...(corsConfigurations.length > 0 && { cors: corsConfigurations }),
  }));
}

function backendSettingsOf({
  backends,
  internalUrlWeight,
  healthProbe,
}: StoredPublishing): Pick<ApplicationRecord, 'backends' | 'healthProbe'> {
  const further = backends.map(({ url, ...backend }) => ({ ...backend, origin: new URL(url).origin }));
  return {
    ...(further.length === 0 ? {} : { backends: { internalUrlWeight, further } }),
    ...(healthProbe.isEnabled ? { healthProbe } : {}),
  };
}

function linkSettingsOf(
  publishing: StoredPublishing,
): Pick<ApplicationRecord, 'translateAnswers' | 'bodyLinks'> {
  const { isTranslateResponseHeadersEnabled: translateAnswers, linkTranslation } = publishing;
  const bodyLinks = {
    jsonLd: linkTranslation.isJsonLdEnabled,
    inlineScriptUrls: linkTranslation.inlineScriptUrls.map(url => normalizePublishedUrl(url) ?? url),
  };
  return {
    ...(translateAnswers === null ? {} : { translateAnswers }),
    ...(publishing.isTranslateLinksInBodyEnabled ? { bodyLinks } : {}),
  };
}

/** A group of settings for relays, or nothing where it is as if it were not there: then it costs nothing there. */
function unlessDefault<Name extends 'customHeaders' | 'securityHeaders' | 'limits' | 'clientAuthentication'>(
  name: Name,
  value: StoredPublishing[Name],
): Partial<Pick<StoredPublishing, Name>> {
  return isDeepStrictEqual(value, publishingDefaults[name])
    ? {}
    : ({ [name]: value } as Pick<StoredPublishing, Name>);
}
