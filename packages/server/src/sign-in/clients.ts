import { createHmac } from 'node:crypto';
import type { ApplicationSegment } from '@postern/protocol/admin/application-segments';
import { isWildcardHost, wildcardLabels } from '@postern/protocol/tunnel/wildcard-host';
import type { Kysely } from 'kysely';
import type { AdapterPayload } from 'oidc-provider';
import { controlHosts, originOf } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { storedPublishing } from '../directory/publishing.ts';
import { coveringWildcards } from '../directory/wildcard-urls.ts';
import { listSecretsOfClient } from '../store/application-credentials.ts';
import {
  findApplicationsOfAlternateHost,
  findApplicationsOfHost,
  findPublishedApplication,
  type PublishedApplication,
} from '../store/published-applications.ts';
import type { Database } from '../store/schema.ts';

/** Client id of My Apps and the Admin center. */
export const portalClientId = 'portal';
/** Client id of the `postern` command line: a public client. */
export const cliClientId = 'postern-cli';
/** Client id of programs that are not ours, on people's own machines: a public client. */
export const nativeClientId = 'native';
/** The path of a relying party's host where the answer to its authorization request arrives. */
export const callbackPath = '/.postern/callback';
/** Grant type of name and password without a page. */
export const credentialsGrantType = 'urn:postern:params:grant-type:credentials';
/** Grant type with which a program of ours gets an access token for an application (RFC 8693 §2.1). */
export const tokenExchangeGrantType = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** Something that people sign in to, for the sign-in page and for preauth/. */
export interface RelyingParty {
  readonly clientId: string;
  readonly name: string;
  /** Lower case, without port. */
  readonly host: string;
  /** `https://<host>`, with the port where it is not 443. */
  readonly origin: string;
  /** The session cookie outlives the browser, until the session ends. */
  readonly keepsSession: boolean;
  /** Of the other hosts of a complex application: signing in at one of them is signing in at all. */
  readonly otherOrigins: readonly string[];
}

/** Knows the relying parties: the portal, and every published application. */
export class Clients {
  readonly #db: Kysely<Database>;
  readonly #config: Config;
  readonly #secretKey: Buffer;

  /** @param secretKey 32 bytes; the secrets of all applications follow from it. */
  constructor(db: Kysely<Database>, config: Config, secretKey: Buffer) {
    this.#db = db;
    this.#config = config;
    this.#secretKey = secretKey;
  }

  /** Metadata of a client as oidc-provider wants it (RFC 7591). */
  async findMetadata(clientId: string): Promise<AdapterPayload | undefined> {
    if (clientId === cliClientId) return cliMetadata;
    if (clientId === nativeClientId) return nativeMetadata;
    const relyingParty = await this.findById(clientId);
    if (relyingParty === undefined) return await this.#programMetadata(clientId);
    const metadata = {
      client_id: clientId,
      client_name: relyingParty.name,
      client_secret: this.secretOf(clientId),
      redirect_uris: [`${relyingParty.origin}${callbackPath}`],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      scope: 'openid profile email',
    };
    return metadata as AdapterPayload;
  }

  /** Of a program with a credential of an application that has not expired. */
  async #programMetadata(clientId: string): Promise<AdapterPayload | undefined> {
    const credentials = await listSecretsOfClient(this.#db, clientId);
    if (credentials.length === 0) return undefined;
    const metadata = {
      client_id: clientId,
      client_name: credentials.at(-1)?.displayName ?? clientId,
      // Nobody knows it: application-tokens.ts compares with the hashes of the secrets that were given out.
      client_secret: this.secretOf(`program ${clientId}`),
      redirect_uris: [],
      grant_types: ['client_credentials'],
      response_types: [],
    };
    return metadata as AdapterPayload;
  }

  async findById(clientId: string): Promise<RelyingParty | undefined> {
    if (clientId === portalClientId) return this.#portal();
    const [id = '', ofHost] = clientId.split(hostSeparator);
    const application = await findPublishedApplication(this.#db, id);
    if (application === undefined) return undefined;
    const host = ofHost ?? new URL(application.externalUrl).hostname;
    if (ofHost === undefined ? isWildcardHost(host) : !isHostOf(application, host)) return undefined;
    return this.#application(application, host);
  }

  /**
   * Gives the relying party of a host: the portal, or the application whose path the request would meet.
   *
   * @param host Lower case, without port.
   * @param path Where the person wants to go; of several applications on the host the longest path in front of it wins.
   */
  async findByHost(host: string, path: string): Promise<RelyingParty | undefined> {
    if (host === controlHosts(this.#config).portal) return this.#portal();
    const origins = new Set([`https://${host}`, originOf(this.#config, host)]);
    const applications = await findApplicationsOfHost(this.#db, [...origins]);
    if (applications.length === 0) return this.#findWithSeveralHosts(host);
    const [application] = applications
      .map(candidate => ({ ...candidate, path: new URL(candidate.externalUrl).pathname }))
      .sort(
        (a, b) =>
          Number(path.startsWith(b.path)) - Number(path.startsWith(a.path)) || b.path.length - a.path.length,
      );
    return application && this.#application(application, host);
  }

  /** The application that has this host among others: as an alternate one, as that of a segment, or by its wildcard. */
  async #findWithSeveralHosts(host: string): Promise<RelyingParty | undefined> {
    const alternates = await findApplicationsOfAlternateHost(this.#db, `https://${host}`);
    const wildcards = coveringWildcards(`https://${host}/`).map(url => url.slice(0, -1));
    const underWildcards = await findApplicationsOfHost(this.#db, wildcards);
    // The longest wildcard has the host, as for requests.
    const byLength = [...underWildcards].sort((a, b) => b.externalUrl.length - a.externalUrl.length);
    const application = alternates[0] ?? byLength[0];
    if (application === undefined || !isHostOf(application, host)) return undefined;
    return this.#application(application, host);
  }

  /** The secret that a relying party of ours authenticates with at the token endpoint. */
  secretOf(clientId: string): string {
    return createHmac('sha256', this.#secretKey).update(clientId).digest('base64url');
  }

  #portal(): RelyingParty {
    const host = controlHosts(this.#config).portal;
    const origin = originOf(this.#config, host);
    return { clientId: portalClientId, name: 'My Apps', host, origin, keepsSession: false, otherOrigins: [] };
  }

  #application(application: PublishedApplication, host: string): RelyingParty {
    const publishing = storedPublishing(application);
    const isItsOnlyHost = new URL(application.externalUrl).hostname === host;
    return {
      clientId: isItsOnlyHost ? application.id : `${application.id}${hostSeparator}${host}`,
      name: application.displayName,
      host,
      origin: originOf(this.#config, host),
      keepsSession: publishing?.isPersistentCookieEnabled ?? false,
      otherOrigins: otherHosts(publishing?.segments ?? [], host).map(one => originOf(this.#config, one)),
    };
  }
}

/** Id of the application that a relying party is; null for the portal. */
export function applicationIdOf({ clientId }: RelyingParty): string | null {
  return clientId === portalClientId ? null : clientId.split(hostSeparator)[0]!;
}

/** Between an application's id and the host, where it has several hosts: each of them is a client. */
const hostSeparator = '~';
/** Hosts of segments that a person is signed in to along with the first; at others when they are opened. */
const maxOtherHosts = 50;

function otherHosts(segments: readonly ApplicationSegment[], host: string): readonly string[] {
  const hosts = new Set(segments.map(segment => new URL(segment.externalUrl).hostname));
  hosts.delete(host);
  return [...hosts].slice(0, maxOtherHosts);
}

/** Whether an application is served at a host: its own, its alternate one, that of a segment, or one of its wildcard's. */
export function isHostOf(application: PublishedApplication, host: string): boolean {
  if (new URL(application.externalUrl).hostname === host) return true;
  const publishing = storedPublishing(application);
  if (publishing === null) return false;
  const { externalUrl, alternateUrl, segments } = publishing;
  if (alternateUrl !== null && new URL(alternateUrl).hostname === host) return true;
  const wildcard = new URL(externalUrl).hostname;
  if (!isWildcardHost(wildcard) || wildcardLabels(wildcard, host) === null) return false;
  return segments === undefined || segments.some(one => new URL(one.externalUrl).hostname === host);
}

/** RFC 8252 §7.3: whatever port of the loopback address; oidc-provider allows that for native clients alone. */
const cliMetadata = {
  client_id: cliClientId,
  client_name: 'Postern command line',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/callback'],
  grant_types: [
    'authorization_code',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:device_code',
    credentialsGrantType,
    tokenExchangeGrantType,
  ],
  response_types: ['code'],
  scope: 'openid profile email api register',
} as AdapterPayload;

/**
 * For programs that sign people in to one application, which they name (RFC 8707). Their tokens open applications and nothing of the
 * service: not the admin API, and not the registration of connectors.
 */
const nativeMetadata = {
  client_id: nativeClientId,
  client_name: 'A program on your machine',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/', 'http://127.0.0.1/callback', 'http://[::1]/', 'http://[::1]/callback'],
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  response_types: ['code'],
  scope: 'openid profile email',
} as AdapterPayload;
