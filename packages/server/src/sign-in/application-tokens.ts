import { hash, randomUUID, timingSafeEqual } from 'node:crypto';
import { importJWK, SignJWT } from 'jose';
import type { Kysely } from 'kysely';
import Provider, {
  type AccessToken,
  type Client,
  type ClientCredentials,
  errors,
  type JWTStructured,
  type TokenEndpointGrantContext,
} from 'oidc-provider';
import type { Directory } from '../directory/directory.ts';
import { DirectoryError } from '../directory/directory-error.ts';
import { storedPublishing } from '../directory/publishing.ts';
import { createSession } from '../directory/sessions.ts';
import { credentialClaim, sessionClaim } from '../edge/access-tokens.ts';
import { addressKey } from '../edge/address-key.ts';
import { tokenHost } from '../edge/client-credentials.ts';
import type { FailedClients } from '../edge/failed-clients.ts';
import { type ApplicationCredentialRow, listSecretsOfClient } from '../store/application-credentials.ts';
import { findEdgeSessionOfLogin } from '../store/edge-sessions.ts';
import {
  type ApplicationName,
  findApplicationOfPerson,
  findPublishedApplication,
  type PublishedApplication,
} from '../store/published-applications.ts';
import type { Database } from '../store/schema.ts';
import { findUser } from '../store/users.ts';
import * as events from '../telemetry/events.ts';
import type { Logger } from '../telemetry/logger.ts';
import { clientAddress } from './client-address.ts';
import { applicationIdOf, type Clients, nativeClientId, tokenExchangeGrantType } from './clients.ts';
import type { SigningKey } from './signing-keys.ts';

export interface ApplicationTokenParts {
  readonly issuer: string;
  readonly db: Kysely<Database>;
  readonly directory: Directory;
  readonly clients: Clients;
  readonly signingKey: SigningKey;
  /** Counts wrong client secrets. */
  readonly failures: FailedClients;
  readonly now: () => number;
  readonly log: Logger;
}

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
const clientCredentialsGrantType = 'client_credentials';

/** How long an access token for an application works; what it stands on is looked at with every request. */
const lifetimeMs = 60 * 60_000;
/** How long what has begun with a person's token may go on: a download ends with its session, and not with the token. */
const sessionLifetimeMs = 24 * 60 * 60_000;
/** Tokens of one sign-in for one application share the session of the first for so long: programs ask for many. */
const sharedMs = 60 * 60_000;

/** Which application a token is wanted for (RFC 8707 §2, RFC 8693 §2.1). */
interface TargetParameters {
  /** Its external URL, or one below that. */
  readonly resource?: string;
  /** Its name or id. */
  readonly audience?: string;
}

interface ExchangeParameters extends TargetParameters {
  readonly subject_token?: string;
  readonly subject_token_type?: string;
}

/**
 * Adds the grants that give access tokens for applications: to a person who is signed in at a program of ours (token
 * exchange, RFC 8693), and to a program with a credential of the application (client credentials, RFC 6749 §4.4).
 */
export function registerApplicationTokens(provider: Provider, parts: ApplicationTokenParts): void {
  compareHashedSecrets(provider, parts);
  provider.registerGrantType<ExchangeParameters>(tokenExchangeGrantType, ctx => exchange(ctx, parts), [
    'subject_token',
    'subject_token_type',
    'resource',
    'audience',
  ]);
  provider.registerGrantType<TargetParameters>(clientCredentialsGrantType, ctx => giveToProgram(ctx, parts), [
    'resource',
    'audience',
  ]);
}

async function exchange(
  ctx: TokenEndpointGrantContext<ExchangeParameters>,
  parts: ApplicationTokenParts,
): Promise<void> {
  const { client, params, provider } = ctx.oidc;
  if (!params.subject_token || params.subject_token_type !== accessTokenType) {
    throw new errors.InvalidRequest(`subject_token is required, and subject_token_type ${accessTokenType}`);
  }
  const subject = await provider.AccessToken.find(params.subject_token);
  if (subject === undefined || subject.isExpired || subject.clientId !== client.clientId) {
    throw new errors.InvalidGrant('subject_token does not hold');
  }
  const { accountId: userId, grantId } = subject;
  const grant = grantId === undefined ? undefined : await provider.Grant.find(grantId);
  const user = await findUser(parts.db, userId);
  if (grant === undefined || grant.isExpired || user?.accountEnabled !== 1) {
    throw new errors.InvalidGrant('subject_token does not hold any more');
  }
  const application = await findTarget(params, parts, target =>
    findApplicationOfPerson(parts.db, userId, target),
  );
  const sessionId = await beginSession(parts, application.id, userId, grantId);
  const expiresAt = parts.now() + lifetimeMs;
  ctx.body = {
    ...(await issue(
      parts,
      { client_id: client.clientId, [sessionClaim]: sessionId },
      userId,
      application,
      expiresAt,
    )),
    issued_token_type: accessTokenType,
  };
  const requestId = ctx.get('x-request-id') || undefined;
  events.applicationTokenIssued(parts.log, { applicationId: application.id, userId, requestId });
}

async function giveToProgram(
  ctx: TokenEndpointGrantContext<TargetParameters>,
  parts: ApplicationTokenParts,
): Promise<void> {
  const { clientId } = ctx.oidc.client;
  const secret = presentedSecret(ctx);
  const credential = secret === null ? undefined : await findCredential(parts, clientId, secret);
  if (credential === undefined) throw new errors.InvalidClientAuth('the credential does not hold any more');
  const { id, applicationId } = credential;
  const { resource, audience = applicationId } = ctx.oidc.params;
  const application = await findTarget({ resource, audience }, parts, async target =>
    'id' in target && target.id === applicationId
      ? await findPublishedApplication(parts.db, applicationId)
      : undefined,
  );
  const expiresAt = Math.min(parts.now() + lifetimeMs, credential.expiresAt);
  ctx.body = await issue(
    parts,
    { client_id: clientId, [credentialClaim]: id },
    clientId,
    application,
    expiresAt,
  );
  const requestId = ctx.get('x-request-id') || undefined;
  events.applicationTokenIssued(parts.log, { applicationId, clientId, requestId });
}

/** Which application a program means that names it when it signs a person in (RFC 8707 §2). */
export async function resourceServerOf(resource: string, { clientId }: Client, parts: ApplicationTokenParts) {
  if (clientId !== nativeClientId) throw new errors.InvalidTarget('this client names no application');
  const { id: audience } = await findTarget({ resource }, parts, async target =>
    'id' in target ? await findPublishedApplication(parts.db, target.id) : undefined,
  );
  return {
    audience,
    scope: '',
    accessTokenFormat: 'jwt',
    accessTokenTTL: lifetimeMs / 1_000,
    jwt: { sign: { alg: 'ES256' } },
  } as const;
}

/** Gives an access token that oidc-provider is about to sign the session that it lives and ends with. */
export async function bindToSession(
  token: AccessToken | ClientCredentials,
  jwt: JWTStructured,
  parts: ApplicationTokenParts,
): Promise<void> {
  const { db, log } = parts;
  const applicationId = String(token.aud);
  const userId = 'accountId' in token ? token.accountId : '';
  const application = await findApplicationOfPerson(db, userId, { id: applicationId });
  if (application === undefined)
    throw new errors.InvalidTarget('this application is not assigned to the person');
  const grantId = 'grantId' in token ? token.grantId : undefined;
  jwt.payload[sessionClaim] = await beginSession(parts, applicationId, userId, grantId);
  events.applicationTokenIssued(log, { applicationId, userId, requestId: undefined });
}

/** Finds or begins the session that an access token lives and ends with. @returns its id. */
async function beginSession(
  { directory, db, now }: ApplicationTokenParts,
  applicationId: string,
  userId: string,
  grantId: string | undefined,
): Promise<string> {
  const host = tokenHost(applicationId);
  if (grantId !== undefined) {
    const session = { host, userId, loginSessionUid: grantId };
    const known = await findEdgeSessionOfLogin(db, session, now() + sessionLifetimeMs - sharedMs);
    if (known !== undefined) return known.id;
  }
  try {
    const { record } = await createSession(directory, {
      host,
      userId,
      loginSessionUid: grantId ?? null,
      lifetimeMs: sessionLifetimeMs,
    });
    return record.id;
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    if (error.code !== 'forbidden' && error.code !== 'precondition_failed') throw error;
    throw new errors.InvalidGrant('the sign-in has ended meanwhile');
  }
}

/** RFC 9068 §2.2. The audience is the application's id, which stays when its addresses change. */
async function issue(
  { issuer, signingKey, now }: ApplicationTokenParts,
  claims: Record<string, string>,
  subject: string,
  { id }: PublishedApplication,
  expiresAt: number,
) {
  const { kty, crv, x, y, d, kid } = signingKey;
  const issuedAt = Math.floor(now() / 1_000);
  const expiry = Math.floor(expiresAt / 1_000);
  const access_token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
    .setIssuer(issuer)
    .setSubject(subject)
    .setAudience(id)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiry)
    .setJti(randomUUID())
    .sign(await importJWK({ kty, crv, x, y, d }, 'ES256'));
  return { access_token, token_type: 'Bearer', expires_in: Math.max(0, expiry - issuedAt) };
}

async function findTarget(
  { resource, audience }: TargetParameters,
  { clients }: ApplicationTokenParts,
  find: (target: ApplicationName) => Promise<PublishedApplication | undefined>,
): Promise<PublishedApplication> {
  const wanted = resource ?? audience;
  if (!wanted) throw new errors.InvalidTarget('resource or audience says for which application');
  const target = resource === undefined ? named(wanted) : await atAddress(wanted, clients);
  const application = target === null ? undefined : await find(target);
  if (application === undefined) {
    throw new errors.InvalidTarget(`there is no application "${wanted}" that you may use`);
  }
  const publishing = storedPublishing(application);
  const takesTokens =
    publishing === null ||
    (publishing.externalAuthenticationType !== 'passthru' && publishing.clientAuthentication.isBearerAllowed);
  if (!takesTokens) throw new errors.InvalidTarget(`${application.displayName} takes no access tokens`);
  return application;
}

function named(text: string): ApplicationName {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
    ? { id: text.toLowerCase() }
    : { displayName: text };
}

async function atAddress(resource: string, clients: Clients): Promise<ApplicationName | null> {
  const url = URL.parse(resource);
  if (url?.protocol !== 'https:' || url.hash !== '') {
    throw new errors.InvalidTarget(
      'resource is an address of an application, such as https://wiki.example.com/',
    );
  }
  const party = await clients.findByHost(url.hostname, url.pathname);
  const id = party === undefined ? null : applicationIdOf(party);
  return id === null ? null : { id };
}

/** Of the secrets of programs there are only hashes, and several of one client; oidc-provider compares with the one it has. */
function compareHashedSecrets(provider: Provider, parts: ApplicationTokenParts): void {
  const { prototype } = provider.Client;
  const compare = prototype.compareClientSecret;
  prototype.compareClientSecret = async function (actual: string) {
    if (!this.grantTypeAllowed(clientCredentialsGrantType)) return await compare.call(this, actual);
    const { ctx } = Provider;
    // Waits are for addresses alone: who knows the id of a client must not be able to keep it out.
    const address = addressKey(clientAddress(ctx?.headers['x-forwarded-for']));
    const waitSeconds = parts.failures.waitSeconds(address);
    if (waitSeconds > 0) {
      ctx?.set('retry-after', String(waitSeconds));
      throw new errors.TemporarilyUnavailable('too many wrong client secrets came from this address');
    }
    const isRight = (await findCredential(parts, this.clientId, actual)) !== undefined;
    if (!isRight) parts.failures.count(address);
    return isRight;
  };
}

async function findCredential(
  { db, now }: ApplicationTokenParts,
  clientId: string,
  secret: string,
): Promise<ApplicationCredentialRow | undefined> {
  const presented = hash('sha256', secret, 'buffer');
  const credentials = await listSecretsOfClient(db, clientId);
  return credentials.find(
    one => one.expiresAt > now() && timingSafeEqual(Buffer.from(one.secretHash, 'base64url'), presented),
  );
}

/** The secret that oidc-provider has found right: from the Authorization field, else from the form. */
function presentedSecret(ctx: TokenEndpointGrantContext<TargetParameters>): string | null {
  const inForm = ctx.oidc.params['client_secret'];
  if (typeof inForm === 'string') return inForm;
  const [, encoded = ''] = (ctx.headers.authorization ?? '').split(' ');
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? null : decodeURIComponent(pair.slice(colon + 1).replaceAll('+', ' '));
}
