import type Provider from 'oidc-provider';
import { errors, type TokenEndpointGrantContext } from 'oidc-provider';
import * as events from '../telemetry/events.ts';
import { clientAddress } from './client-address.ts';
import { credentialsGrantType } from './clients.ts';
import { type CredentialsParts, checkCredentials, refusal } from './credentials.ts';
import { SignInError } from './sign-in-error.ts';

export type { CredentialsParts } from './credentials.ts';

interface CredentialsParameters {
  readonly username?: string;
  readonly password?: string;
}

/**
 * Adds the grant with which the command line signs in where there is no browser: name and password go to the token
 * endpoint, and get the same answers, counts and waits as on the page.
 */
export function registerCredentialsGrant(provider: Provider, parts: CredentialsParts): void {
  provider.registerGrantType<CredentialsParameters>(
    credentialsGrantType,
    ctx => answerCredentials(ctx, parts),
    ['username', 'password', 'scope'],
  );
}

/** For those who gave the right password; the program that asked shows it. */
const secondFactorRefusal =
  'This account signs in with a second factor, which a name and a password cannot give. Sign in with a browser ' +
  '(postern login), with a code (postern login --device), or register with an enrolment token ' +
  '(postern connector register --token-file FILE).';

async function answerCredentials(
  ctx: TokenEndpointGrantContext<CredentialsParameters>,
  parts: CredentialsParts,
): Promise<void> {
  const { client, params, provider } = ctx.oidc;
  if (!params.username || !params.password)
    throw new errors.InvalidRequest('username and password are required');
  const scope = allowedScope(client.scope ?? '', params.scope);
  const address = clientAddress(ctx.headers['x-forwarded-for']);
  const requestId = ctx.get('x-request-id') || undefined;
  const account = await checkCredentials(parts, {
    name: params.username,
    password: params.password,
    address,
    requestId,
  }).catch(translateBusy);
  if (account === null) throw new errors.CustomOIDCProviderError('invalid_grant', refusal);
  if (await parts.hasSecondFactor?.(account)) {
    throw new errors.CustomOIDCProviderError('interaction_required', secondFactorRefusal);
  }

  const grant = new provider.Grant({ accountId: account.id, clientId: client.clientId });
  grant.addOIDCScope(scope);
  const source = { accountId: account.id, client, grantId: await grant.save(), gty: 'credentials', scope };
  const accessToken = new provider.AccessToken(source);
  const refreshToken = new provider.RefreshToken({ ...source, rotations: 0 });
  ctx.body = {
    access_token: await accessToken.save(),
    expires_in: accessToken.expiration,
    refresh_token: await refreshToken.save(),
    scope,
    token_type: accessToken.tokenType,
  };
  events.userSignedIn(parts.log, { userId: account.id, host: null, clientAddress: address, requestId });
}

function allowedScope(allowed: string, requested: string | undefined): string {
  const known = new Set(allowed.split(' '));
  const asked = requested ? requested.split(' ') : [...known];
  const unknown = asked.filter(scope => !known.has(scope));
  if (unknown.length > 0) throw new errors.InvalidScope('requested scope is not allowed', unknown.join(' '));
  return asked.join(' ');
}

function translateBusy(error: unknown): never {
  if (error instanceof SignInError && error.code === 'busy') {
    throw new errors.TemporarilyUnavailable(error.message, { cause: error });
  }
  throw error;
}
