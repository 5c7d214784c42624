import * as oidc from 'openid-client';
import { callbackPath, type RelyingParty } from '../sign-in/clients.ts';
import { loginSessionClaim } from '../sign-in/provider.ts';
import type { Transaction } from './transactions.ts';

/** Who signed in, as the ID token says. */
export interface SignedIn {
  readonly userId: string;
  readonly loginSessionUid: string | null;
}

export interface AuthorizationParts {
  /** `https://login.<domain>`, with the public port where it is not 443. */
  readonly issuer: string;
  /** Reaches the provider; in production through the control process's own socket, without leaving the machine. */
  readonly fetch: oidc.CustomFetch;
}

const maxConfigurations = 10_000;

/** What a relying party sends in and expects back, by openid-client: PKCE, state, nonce, issuer and signature. */
export class Authorization {
  readonly #parts: AuthorizationParts;
  readonly #configurations = new Map<string, oidc.Configuration>();

  constructor(parts: AuthorizationParts) {
    this.#parts = parts;
  }

  /** The address that the browser is sent to. */
  async requestUrl(party: RelyingParty, secret: string, transaction: Transaction): Promise<URL> {
    return oidc.buildAuthorizationUrl(this.#configurationOf(party, secret), {
      redirect_uri: `${party.origin}${callbackPath}`,
      response_type: 'code',
      scope: 'openid',
      state: transaction.state,
      nonce: transaction.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(transaction.verifier),
      code_challenge_method: 'S256',
      // In a frame nobody can sign in: the provider answers at once, either way (OpenID Connect Core §3.1.2.1).
      ...(transaction.renews === 'in-frame' && { prompt: 'none' }),
    });
  }

  /**
   * Checks an answer and exchanges its code.
   *
   * @param search The query of the callback, with its question mark.
   * @throws what openid-client throws: the provider's refusal, or a check that failed.
   */
  async receive(
    party: RelyingParty,
    secret: string,
    transaction: Transaction,
    search: string,
  ): Promise<SignedIn> {
    const tokens = await oidc.authorizationCodeGrant(
      this.#configurationOf(party, secret),
      new URL(`${party.origin}${callbackPath}${search}`),
      {
        expectedState: transaction.state,
        expectedNonce: transaction.nonce,
        pkceCodeVerifier: transaction.verifier,
        idTokenExpected: true,
      },
    );
    const claims = tokens.claims();
    if (claims === undefined) throw new TypeError('The provider sent no ID token.');
    const loginSession = claims[loginSessionClaim];
    return {
      userId: claims.sub,
      loginSessionUid: typeof loginSession === 'string' ? loginSession : null,
    };
  }

  #configurationOf({ clientId }: RelyingParty, secret: string): oidc.Configuration {
    const known = this.#configurations.get(clientId);
    if (known !== undefined) return known;
    const { issuer, fetch } = this.#parts;
    // Known without asking: the provider is ours. Its keys are fetched, and fetched again when an unknown one signs.
    const server: oidc.ServerMetadata = {
      issuer,
      authorization_endpoint: `${issuer}/auth`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      authorization_response_iss_parameter_supported: true,
      id_token_signing_alg_values_supported: ['ES256'],
    };
    const configuration = new oidc.Configuration(
      server,
      clientId,
      { client_secret: secret, id_token_signed_response_alg: 'ES256' },
      oidc.ClientSecretBasic(secret),
    );
    configuration[oidc.customFetch] = fetch;
    configuration.timeout = 15;
    // The token comes from our own process, but its signature is checked all the same.
    oidc.enableNonRepudiationChecks(configuration);
    // Under a wildcard anybody can name hosts, and each is a client.
    if (this.#configurations.size >= maxConfigurations) this.#configurations.clear();
    this.#configurations.set(clientId, configuration);
    return configuration;
  }
}

export const randomNonce = oidc.randomNonce;
export const randomVerifier = oidc.randomPKCECodeVerifier;
