import { createHmac } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { AdapterPayload } from 'oidc-provider';
import { controlHosts, originOf } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { findApplicationsOfHost, findPublishedApplication } from '../store/published-applications.ts';
import type { Database } from '../store/schema.ts';

/** Client id of My Apps and the Admin center. */
export const portalClientId = 'portal';
/** Client id of the `postern` command line: a public client. */
export const cliClientId = 'postern-cli';
/** The path of a relying party's host where the answer to its authorization request arrives. */
export const callbackPath = '/.postern/callback';
/** Grant type of name and password without a page. */
export const credentialsGrantType = 'urn:postern:params:grant-type:credentials';

/** Something that people sign in to, for the sign-in page and for preauth/. */
export interface RelyingParty {
  readonly clientId: string;
  readonly name: string;
  /** Lower case, without port. */
  readonly host: string;
  /** `https://<host>`, with the port where it is not 443. */
  readonly origin: string;
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
    const relyingParty = await this.findById(clientId);
    if (relyingParty === undefined) return undefined;
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

  async findById(clientId: string): Promise<RelyingParty | undefined> {
    if (clientId === portalClientId) return this.#portal();
    const application = await findPublishedApplication(this.#db, clientId);
    if (application === undefined) return undefined;
    return this.#relyingParty(
      application.id,
      application.displayName,
      new URL(application.externalUrl).hostname,
    );
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
    const [application] = applications
      .map(candidate => ({ ...candidate, path: new URL(candidate.externalUrl).pathname }))
      .sort(
        (a, b) =>
          Number(path.startsWith(b.path)) - Number(path.startsWith(a.path)) || b.path.length - a.path.length,
      );
    return application && this.#relyingParty(application.id, application.displayName, host);
  }

  /** The secret that a relying party of ours authenticates with at the token endpoint. */
  secretOf(clientId: string): string {
    return createHmac('sha256', this.#secretKey).update(clientId).digest('base64url');
  }

  #portal(): RelyingParty {
    return this.#relyingParty(portalClientId, 'My Apps', controlHosts(this.#config).portal);
  }

  #relyingParty(clientId: string, name: string, host: string): RelyingParty {
    return { clientId, name, host, origin: originOf(this.#config, host) };
  }
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
  ],
  response_types: ['code'],
  scope: 'openid profile email api register',
} as AdapterPayload;
