import { spawn } from 'node:child_process';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as oauth from 'openid-client';
import { CliError, findCliError } from './cli-error.ts';
import type { Tokens } from './credentials.ts';
import type { ServiceAddress } from './service-address.ts';
import type { FetchRequest, ServiceFetch } from './service-fetch.ts';

/** Client id of this program at the service's OpenID Provider. */
const clientId = 'postern-cli';
/** What a sign-in asks for: the person's name, the admin API, and the registration of connectors. */
export const defaultScope = 'openid profile email api register';

const credentialsGrant = 'urn:postern:params:grant-type:credentials';
const tokenExchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** How long a person may take in the browser. */
const browserTimeoutMs = 10 * 60_000;

type TokenResponse = oauth.TokenEndpointResponse & oauth.TokenEndpointResponseHelpers;

/**
 * Reads the service's OpenID Provider metadata.
 *
 * @throws CliError `unreachable`.
 */
export async function discover(service: ServiceAddress, fetch: ServiceFetch): Promise<oauth.Configuration> {
  const customFetch: oauth.CustomFetch = (url, options) => fetch(url, toRequest(options));
  try {
    return await oauth.discovery(new URL(service.loginOrigin), clientId, undefined, oauth.None(), {
      [oauth.customFetch]: customFetch,
    });
  } catch (error) {
    throw (
      findCliError(error) ??
      new CliError('unreachable', `${service.loginOrigin} does not answer as the sign-in of a service.`, {
        remedy: 'Check the domain given with --service.',
        cause: error,
      })
    );
  }
}

/** Signs in in a browser on this machine: authorization code with PKCE, back to a loopback address (RFC 8252 §7.3). */
export async function signInWithBrowser(
  configuration: oauth.Configuration,
  options: { scope: string; notice: (text: string) => void; openBrowser?: (url: string) => void },
): Promise<Tokens> {
  const verifier = oauth.randomPKCECodeVerifier();
  const state = oauth.randomState();
  const nonce = oauth.randomNonce();
  await using callback = await listenForCallback();
  const authorizationUrl = oauth.buildAuthorizationUrl(configuration, {
    redirect_uri: callback.redirectUri,
    scope: options.scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });

  options.notice(`Sign in in your browser. If it does not open, go to:\n\n  ${authorizationUrl.href}\n`);
  (options.openBrowser ?? openBrowser)(authorizationUrl.href);
  const { url, finish } = await callback.received;
  try {
    const tokens = await request(() =>
      oauth.authorizationCodeGrant(configuration, url, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
      }),
    );
    finish('You are signed in. Close this page and go back to the terminal.');
    return tokens;
  } catch (error) {
    finish('Sign-in failed. The terminal says why.');
    throw error;
  }
}

/** Signs in in a browser anywhere, with a code that the person types there (RFC 8628). */
export async function signInWithDeviceCode(
  configuration: oauth.Configuration,
  options: { scope: string; notice: (text: string) => void },
): Promise<Tokens> {
  const device = await attempt(() =>
    oauth.initiateDeviceAuthorization(configuration, { scope: options.scope }),
  );
  options.notice(
    `Open ${device.verification_uri} in a browser on any machine and enter this code:\n\n  ${device.user_code}\n`,
  );
  return request(() => oauth.pollDeviceAuthorizationGrant(configuration, device));
}

/** Signs in without a browser, for scripts and first set-ups. */
export function signInWithPassword(
  configuration: oauth.Configuration,
  options: { scope: string; userName: string; password: string },
): Promise<Tokens> {
  return request(() =>
    oauth.genericGrantRequest(configuration, credentialsGrant, {
      username: options.userName,
      password: options.password,
      scope: options.scope,
    }),
  );
}

/**
 * Gets a new access token.
 *
 * @throws CliError `notSignedIn` where the refresh token works no longer.
 */
export async function refresh(configuration: oauth.Configuration, previous: Tokens): Promise<Tokens> {
  const { refreshToken } = previous;
  if (refreshToken === undefined) {
    throw signInExpired();
  }
  try {
    const answer = await oauth.refreshTokenGrant(configuration, refreshToken);
    return {
      ...toTokens(answer),
      refreshToken: answer.refresh_token ?? refreshToken,
      userPrincipalName: previous.userPrincipalName,
    };
  } catch (error) {
    throw (error as { error?: string }).error === 'invalid_grant' ? signInExpired(error) : translate(error);
  }
}

/**
 * Gets an access token for one application in exchange for that of the sign-in (RFC 8693).
 *
 * @param application Its external URL, or one below that; else its name or id.
 * @throws CliError `notFound` where there is no such application that this person may use.
 */
export async function exchangeToken(
  configuration: oauth.Configuration,
  accessToken: string,
  application: string,
): Promise<{ accessToken: string; expiresAt: number }> {
  const target = /^https:\/\//i.test(application) ? 'resource' : 'audience';
  try {
    const answer = await oauth.genericGrantRequest(configuration, tokenExchangeGrant, {
      subject_token: accessToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      [target]: application,
    });
    const { accessToken: token, expiresAt } = toTokens(answer);
    return { accessToken: token, expiresAt };
  } catch (error) {
    const { error: code, error_description: description } = error as {
      error?: string;
      error_description?: string;
    };
    if (code === 'invalid_grant') {
      throw signInExpired(error);
    }
    if (code !== 'invalid_target') {
      throw translate(error);
    }
    throw new CliError('notFound', `No access token for "${application}": ${description ?? code}.`, {
      remedy: 'Name it by its address or its name as in My Apps; it has to be assigned to you.',
      cause: error,
    });
  }
}

/** Ends the sign-in at the service: the refresh token and what came from it. */
export async function revoke(configuration: oauth.Configuration, tokens: Tokens): Promise<void> {
  await attempt(() =>
    oauth.tokenRevocation(configuration, tokens.refreshToken ?? tokens.accessToken, {
      token_type_hint: tokens.refreshToken === undefined ? 'access_token' : 'refresh_token',
    }),
  );
}

function signInExpired(cause?: unknown): CliError {
  return new CliError('notSignedIn', 'Your sign-in has ended.', { remedy: 'Run `postern login`.', cause });
}

async function request(grant: () => Promise<TokenResponse>): Promise<Tokens> {
  return toTokens(await attempt(grant));
}

async function attempt<Result>(step: () => Promise<Result>): Promise<Result> {
  try {
    return await step();
  } catch (error) {
    throw translate(error);
  }
}

function toTokens(answer: TokenResponse): Tokens {
  return {
    accessToken: answer.access_token,
    expiresAt: Date.now() + (answer.expires_in ?? 60) * 1000,
    refreshToken: answer.refresh_token,
    scope: answer.scope ?? '',
    userPrincipalName: '',
  };
}

function translate(error: unknown): CliError {
  const known = findCliError(error);
  if (known !== undefined) {
    return known;
  }
  const { error: code, error_description: description } = error as {
    error?: string;
    error_description?: string;
  };
  if (code === 'access_denied') {
    return new CliError('notAllowed', 'The sign-in was refused.', { cause: error });
  }
  if (code === 'expired_token') {
    return new CliError('notSignedIn', 'The code was not used in time.', {
      remedy: 'Run `postern login` again.',
      cause: error,
    });
  }
  if (code === 'invalid_grant') {
    return new CliError('notSignedIn', description ?? 'That name and password do not match.', {
      cause: error,
    });
  }
  if (code === 'interaction_required' && description !== undefined) {
    return new CliError('notSignedIn', description, { cause: error });
  }
  const detail = description ?? code ?? (error as Error).message;
  return new CliError('failed', `The sign-in failed: ${detail}.`, { cause: error });
}

function toRequest(options: oauth.CustomFetchOptions): FetchRequest {
  const { body } = options;
  return {
    method: options.method,
    headers: options.headers,
    // openid-client sends forms or nothing.
    body: body === null || body === undefined ? undefined : String(body),
    signal: options.signal,
  };
}

interface Callback extends AsyncDisposable {
  readonly redirectUri: string;
  readonly received: Promise<{ url: URL; finish: (text: string) => void }>;
}

async function listenForCallback(): Promise<Callback> {
  const received = Promise.withResolvers<{ url: URL; finish: (text: string) => void }>();
  const server = createServer((request, response) => {
    const url = URL.parse(request.url ?? '', redirectOrigin(server.address() as AddressInfo));
    if (request.method !== 'GET' || url?.pathname !== '/callback') {
      response.writeHead(404).end();
      return;
    }
    received.resolve({ url, finish: text => answer(response, text) });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const timer = setTimeout(
    () => received.reject(new CliError('notSignedIn', 'Nobody signed in within ten minutes.')),
    browserTimeoutMs,
  );
  return {
    redirectUri: `${redirectOrigin(server.address() as AddressInfo)}/callback`,
    received: received.promise,
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      await new Promise(resolve => server.close(resolve));
    },
  };
}

function redirectOrigin(address: AddressInfo): string {
  return `http://127.0.0.1:${address.port}`;
}

function answer(response: ServerResponse, text: string): void {
  response
    .writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'",
      'cache-control': 'no-store',
      connection: 'close',
    })
    .end(`<!doctype html><html lang="en"><title>Postern</title><body><p>${text}</p></body></html>\n`);
}

function openBrowser(url: string): void {
  const command = process.platform === 'darwin' ? 'open' : 'xdg-open';
  // The address is on the screen already: a machine without a browser is no failure.
  spawn(command, [url], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref();
}
