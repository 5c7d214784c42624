import type { EventEmitter } from 'node:events';
import type { Kysely } from 'kysely';
import Provider, {
  type Account,
  type Configuration,
  errors,
  interactionPolicy,
  type KoaContextWithOIDC,
} from 'oidc-provider';
import { controlHosts, originOf } from '../config/names.ts';
import type { Config } from '../config/schema.ts';
import { addressKey } from '../edge/address-key.ts';
import { renderNotFound } from '../pages/not-found-page.ts';
import type { Database } from '../store/schema.ts';
import { findUser } from '../store/users.ts';
import {
  type ApplicationTokenParts,
  bindToSession,
  registerApplicationTokens,
  resourceServerOf,
} from './application-tokens.ts';
import { clientAddress } from './client-address.ts';
import { type Clients, cliClientId, nativeClientId } from './clients.ts';
import { type CredentialsParts, registerCredentialsGrant } from './credentials-grant.ts';
import { flowCookieName, hasFlowCookie, surplusFlowCookies } from './flow-cookies.ts';
import { type MostWaiting, oidcAdapter } from './oidc-adapter.ts';
import {
  backToApplications,
  renderAccountChange,
  renderCodeConfirmation,
  renderCodeDone,
  renderCodeInput,
  renderExpired,
  renderProviderError,
  renderSignedOut,
  renderSignOutQuestion,
  sendPage,
} from './provider-pages.ts';
import type { Sealer } from './sealer.ts';
import { type SigningKey, signingKeyAt } from './signing-keys.ts';

export interface ProviderParts {
  readonly config: Config;
  readonly db: Kysely<Database>;
  readonly clients: Clients;
  readonly credentials: CredentialsParts;
  readonly applicationTokens: ApplicationTokenParts;
  /** Seals the provider's records at rest. */
  readonly sealer: Sealer;
  /** Signs the provider's cookies. */
  readonly cookieKey: Buffer;
  readonly signingKeys: readonly SigningKey[];
  readonly now: () => number;
  /** The login session with this uid has been ended in the provider. */
  readonly onLoginSessionEnded: (uid: string) => Promise<void>;
  /** Everything that came from this grant has ended in the provider. */
  readonly onGrantEnded: (grantId: string) => Promise<void>;
  readonly onServerError: (error: unknown) => void;
}

const minute = 60;
const day = 24 * 60 * minute;

/** Lifetimes in seconds. */
const lifetimes = {
  accessToken: 60 * minute,
  authorizationCode: minute,
  deviceCode: 10 * minute,
  idToken: 10 * minute,
  interaction: 60 * minute,
  refreshToken: 14 * day,
  // As long as the longest login session that can be configured; a refresh token ends with its grant.
  grant: 90 * day,
} as const;

/** Some 3 KB each. An office behind one address may begin its day with it. */
const mostWaiting: MostWaiting = { ofClient: 1_000, inAll: 50_000 };

/** The claim of ID tokens that names the login session, for the sessions that come from it. */
export const loginSessionClaim = 'postern_login_session';

/**
 * Our OpenID Provider. It keeps no state of its own: another one with other signing keys may take its place at any
 * time.
 */
export function createProvider(parts: ProviderParts): Provider {
  const provider = new Provider(issuerOf(parts.config), configurationOf(parts));
  // Only the relay reaches this process, and says in X-Forwarded-Proto how the browser came.
  provider.proxy = true;
  provider.on('server_error', (_, error) => parts.onServerError(error));
  // Koa's own event for what nobody caught; without a listener it writes to standard error.
  (provider as EventEmitter).on('error', (error: unknown) => parts.onServerError(error));
  provider.use((ctx, next) => answerEnded(ctx, next, portalUrlOf(parts.config)));
  provider.use((ctx, next) => guardFlow(ctx, next, portalUrlOf(parts.config)));
  provider.use((ctx, next) => takeUserCode(ctx, next));
  provider.use((ctx, next) => withOwnPages(ctx, next));
  provider.use((ctx, next) => endSessionsOfLogout(ctx, next, parts));
  registerCredentialsGrant(provider, parts.credentials);
  registerApplicationTokens(provider, parts.applicationTokens);
  return provider;
}

export function issuerOf(config: Config): string {
  return originOf(config, controlHosts(config).login);
}

export function portalUrlOf(config: Config): string {
  return `${originOf(config, controlHosts(config).portal)}/`;
}

function configurationOf(parts: ProviderParts): Configuration {
  const { config, clients, now } = parts;
  const portalUrl = portalUrlOf(config);
  return {
    adapter: model =>
      oidcAdapter(model, {
        db: parts.db,
        sealer: parts.sealer,
        now,
        findClient: clientId => clients.findMetadata(clientId),
        onGrantEnded: parts.onGrantEnded,
        clientKey: () => {
          const request = Provider.ctx?.req;
          return request ? addressKey(clientAddress(request.headers['x-forwarded-for'])) : null;
        },
        mostWaiting,
      }),
    jwks: { keys: publishedKeys(parts.signingKeys, now()) },
    cookies: {
      names: {
        session: '__Host-postern-login',
        // Their paths name one sign-in each, so that several tabs can sign in at once; `__Host-` allows no path.
        interaction: '__Secure-postern-interaction',
        resume: '__Secure-postern-resume',
      },
      long: { httpOnly: true, sameSite: 'lax', secure: true, signed: true },
      short: { httpOnly: true, sameSite: 'lax', secure: true, signed: true },
      keys: [parts.cookieKey.toString('base64url')],
    },
    clientDefaults: {
      grant_types: ['authorization_code'],
      id_token_signed_response_alg: 'ES256',
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    enabledJWA: {
      idTokenSigningAlgValues: ['ES256'],
      userinfoSigningAlgValues: ['ES256'],
    },
    responseTypes: ['code'],
    pkce: { required: () => true },
    scopes: ['openid', 'profile', 'email', 'api', 'register'],
    claims: {
      openid: ['sub', loginSessionClaim],
      profile: ['name', 'preferred_username'],
      email: ['email'],
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        // What was named when the person signed in holds for every token that follows from it.
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource, client) =>
          resourceServerOf(resource, client, parts.applicationTokens),
      },
      revocation: { enabled: true },
      deviceFlow: {
        enabled: true,
        deviceInfo: ctx => ({ ip: clientAddress(ctx.headers['x-forwarded-for']) }),
        userCodeInputSource: (ctx, _form, _out, error) => sendCodeInput(ctx, error),
        userCodeConfirmSource: (ctx, _form, client, deviceInfo, userCode) =>
          sendPage(
            ctx,
            renderCodeConfirmation({
              action: '/device',
              xsrf: xsrfOf(ctx),
              userCode,
              clientName: client.clientName ?? client.clientId,
              address: String(deviceInfo['ip'] ?? ''),
            }),
          ),
        successSource: ctx => {
          const client = ctx.oidc.client;
          sendPage(ctx, renderCodeDone(client?.clientName ?? client?.clientId ?? 'The program'));
        },
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: ctx =>
          sendPage(ctx, renderSignOutQuestion({ action: '/session/end/confirm', xsrf: xsrfOf(ctx) })),
        postLogoutSuccessSource: ctx => sendPage(ctx, renderSignedOut(portalUrl)),
      },
    },
    formats: {
      customizers: { jwt: (_ctx, token, jwt) => bindToSession(token, jwt, parts.applicationTokens) },
    },
    interactions: { policy: interactionPolicyOf(), url: beginFlow },
    clientBasedCORS: () => false,
    // Our clients are all our own: what they may ask for is in their metadata, and nobody is asked to consent.
    loadExistingGrant: grantWhatIsAsked,
    findAccount: (_ctx, sub, token) => findAccount(parts.db, sub, token),
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: (_ctx, source) => !outlivesBrowser(source.clientId),
    renderError: (ctx, out) => {
      sendPage(ctx, renderProviderError({ code: out.error, description: out.error_description }, portalUrl));
    },
    ttl: {
      AccessToken: lifetimes.accessToken,
      AuthorizationCode: lifetimes.authorizationCode,
      DeviceCode: lifetimes.deviceCode,
      Grant: lifetimes.grant,
      IdToken: lifetimes.idToken,
      Interaction: lifetimes.interaction,
      RefreshToken: lifetimes.refreshToken,
      // Counted from the password, not from the last use: the session is saved, with this, whenever it is used.
      Session: (_ctx, session) => {
        const nowSeconds = Math.floor(now() / 1_000);
        const end = (session.loginTs ?? nowSeconds) + Math.floor(config.sessions.loginLifetimeMs / 1_000);
        return Math.max(1, end - nowSeconds);
      },
    },
  };
}

/** Programs on people's machines stay signed in when the browser that helped them to is signed out. */
function outlivesBrowser(clientId: string | undefined): boolean {
  return clientId === cliClientId || clientId === nativeClientId;
}

/** The key that signs comes first: oidc-provider signs with the first that fits. */
function publishedKeys(keys: readonly SigningKey[], now: number) {
  const signing = signingKeyAt(keys, now);
  return [signing, ...keys.filter(key => key !== signing)].map(({ kid, kty, crv, x, y, d }) => ({
    kid,
    kty,
    crv,
    x,
    y,
    d,
    use: 'sig',
    alg: 'ES256',
  }));
}

function interactionPolicyOf(): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base();
  policy.get('consent')?.checks.remove('native_client_prompt');
  policy
    .get('login')
    ?.checks.add(
      new interactionPolicy.Check(
        'account_gone',
        'the signed-in account cannot be used any more',
        'login_required',
        ctx => ctx.oidc.session?.accountId !== undefined && ctx.oidc.account === undefined,
      ),
    );
  return policy;
}

async function grantWhatIsAsked(ctx: KoaContextWithOIDC) {
  const { account, client, provider, session } = ctx.oidc;
  if (account === undefined || client === undefined) return undefined;
  const knownId = session?.grantIdFor(client.clientId);
  const known = knownId === undefined ? undefined : await provider.Grant.find(knownId);
  const grant =
    known?.accountId === account.accountId
      ? known
      : new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
  const missing = [...ctx.oidc.requestParamOIDCScopes].filter(
    scope => !grant.getOIDCScope().split(' ').includes(scope),
  );
  if (missing.length > 0) {
    grant.addOIDCScope(missing.join(' '));
    await grant.save();
  }
  return grant;
}

async function findAccount(
  db: Kysely<Database>,
  id: string,
  token: Parameters<NonNullable<Configuration['findAccount']>>[2],
): Promise<Account | undefined> {
  const user = await findUser(db, id);
  if (user?.accountEnabled !== 1) return undefined;
  const loginSession =
    token !== undefined && 'sessionUid' in token && !outlivesBrowser(token.clientId)
      ? token.sessionUid
      : undefined;
  return {
    accountId: id,
    claims: use => ({
      sub: id,
      name: user.displayName,
      preferred_username: user.userPrincipalName,
      ...(user.mail !== null && { email: user.mail }),
      ...(use === 'id_token' && loginSession !== undefined && { [loginSessionClaim]: loginSession }),
    }),
  };
}

function beginFlow(ctx: KoaContextWithOIDC, { uid }: { readonly uid: string }): string {
  const attributes = { path: '/', httpOnly: true, secure: true, sameSite: 'lax', signed: false } as const;
  for (const name of surplusFlowCookies(ctx.headers.cookie)) ctx.cookies.set(name, null, attributes);
  ctx.cookies.set(flowCookieName(uid), String(Date.now()), {
    ...attributes,
    maxAge: lifetimes.interaction * 1_000,
  });
  return `/interaction/${uid}`;
}

type Middleware = Parameters<Provider['use']>[0];
type Context = Parameters<Middleware>[0];
type Next = Parameters<Middleware>[1];

/** The login session ended while its request was answered; oidc-provider finds that out last, when it saves the session. */
async function answerEnded(ctx: Context, next: Next, portalUrl: string): Promise<void> {
  try {
    await next();
  } catch (error) {
    if (!(error instanceof errors.SessionNotFound)) throw error;
    ctx.remove('location');
    ctx.status = 400;
    sendPage(ctx, renderExpired(portalUrl));
  }
}

/** A sign-in goes on only in the browser that began it; flow-cookies.ts says why. */
async function guardFlow(ctx: Context, next: Next, portalUrl: string): Promise<void> {
  const uid = /^\/(?:auth|device)\/([\w-]+)$/.exec(ctx.path)?.[1];
  if (uid === undefined || uid === 'auth' || ctx.method !== 'GET') return next();
  if (!hasFlowCookie(ctx.headers.cookie, uid)) {
    ctx.status = 400;
    sendPage(ctx, renderExpired(portalUrl));
    return;
  }
  await next();
  // A change of account comes back here once more.
  if (ctx.state['accountChange'] !== true) {
    ctx.cookies.set(flowCookieName(uid), null, { path: '/', secure: true, signed: false });
  }
}

/**
 * A code that comes with the address only fills the field in. oidc-provider would submit it by a script, and a link
 * from somebody else would then look like the next step of something begun here (RFC 8628 §5.4).
 */
async function takeUserCode(ctx: Context, next: Next): Promise<void> {
  if (ctx.path === '/device' && ctx.method === 'GET' && ctx.querystring !== '') {
    const userCode = ctx.query['user_code'];
    if (typeof userCode === 'string' && /^[A-Za-z0-9 -]{1,16}$/.test(userCode))
      ctx.state['userCode'] = userCode;
    ctx.querystring = '';
  }
  return next();
}

/**
 * Gives unknown addresses a page, and replaces the pages that oidc-provider submits by a script with ones that work
 * without.
 */
async function withOwnPages(ctx: Context, next: Next): Promise<void> {
  await next();
  if (ctx.status === 404 && ctx.body === undefined) {
    sendPage(ctx, renderNotFound());
    ctx.status = 404;
    return;
  }
  if (ctx.status !== 200 || typeof ctx.body !== 'string' || !ctx.body.includes('<script>')) return;
  const oidc = ctx as KoaContextWithOIDC;
  if (oidc.oidc.route === 'end_session') {
    // Nobody is signed in: there is nothing to ask.
    ctx.status = 303;
    return ctx.redirect('/session/end/success');
  }
  ctx.state['accountChange'] = true;
  sendPage(
    oidc,
    renderAccountChange({ action: '/session/end/confirm', xsrf: xsrfOf(oidc) }),
    backToApplications,
  );
}

async function endSessionsOfLogout(
  ctx: Context,
  next: Next,
  { onLoginSessionEnded }: ProviderParts,
): Promise<void> {
  await next();
  if (ctx.path !== '/session/end/confirm') return;
  const session = (ctx as KoaContextWithOIDC).oidc?.session;
  if (session?.uid !== undefined && 'destroyed' in session && session.destroyed) {
    await onLoginSessionEnded(session.uid);
  }
}

function sendCodeInput(ctx: KoaContextWithOIDC, error: unknown): void {
  const entered = error instanceof Error && 'userCode' in error ? error.userCode : undefined;
  const userCode = typeof entered === 'string' ? entered : ctx.state['userCode'];
  sendPage(
    ctx,
    renderCodeInput({
      action: '/device',
      xsrf: xsrfOf(ctx),
      userCode: typeof userCode === 'string' ? userCode.slice(0, 16) : '',
      error: codeObjection(error),
    }),
  );
}

function codeObjection(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  switch (error.name) {
    case 'ExpiredError':
      return 'This code has expired. Start again on the command line to get a new one.';
    case 'AlreadyUsedError':
      return 'This code was used already. Start again on the command line to get a new one.';
    case 'AbortedError':
      return 'The sign-in of that program was refused, as you asked.';
    case 'NoCodeError':
    case 'NotFoundError':
      return 'No program waits with this code. Compare it with what the command line shows.';
    default:
      return 'That did not work. Enter the code again.';
  }
}

function xsrfOf(ctx: KoaContextWithOIDC): string {
  const secret = ctx.oidc.session?.state?.['secret'];
  if (typeof secret !== 'string') throw new TypeError('A form is asked for outside of a session.');
  return secret;
}
