import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import type Provider from 'oidc-provider';
import type { Config } from '../config/schema.ts';
import type { Directory } from '../directory/directory.ts';
import { endSessionsOfLogin } from '../directory/sessions.ts';
import { FailedClients } from '../edge/failed-clients.ts';
import type { TokenTrust } from '../feed/messages.ts';
import { deleteExpiredInvitations } from '../store/invitations.ts';
import {
  deleteExpiredOidcRecords,
  deleteOidcRecord,
  deleteOidcRecordsOfGrant,
  endOidcSession,
  hashId,
} from '../store/oidc-records.ts';
import type { Database } from '../store/schema.ts';
import type { SealedSecrets } from '../store/sealed-secrets.ts';
import { findUser } from '../store/users.ts';
import * as events from '../telemetry/events.ts';
import type { Logger } from '../telemetry/logger.ts';
import { Clients, cliClientId } from './clients.ts';
import type { CredentialsParts } from './credentials.ts';
import { FailureCounter } from './failure-counter.ts';
import { readPayload } from './oidc-adapter.ts';
import { PasswordHasher } from './password-hash.ts';
import { createProvider, issuerOf } from './provider.ts';
import { deriveKey, Sealer } from './sealer.ts';
import { loadSigningKeys, type SigningKey, sameKeys, signingKeyAt } from './signing-keys.ts';

export interface SignInParts {
  readonly config: Config;
  readonly directory: Directory;
  readonly secrets: SealedSecrets;
  /** Gets an event for every sign-in, every session and every attempt. */
  readonly log: Logger;
  /** The keys that access tokens are signed with have changed: {@link SignIn.tokenTrust}. */
  readonly onKeysChanged?: () => void;
  /** Something of ours went wrong while a request was answered. */
  readonly onServerError?: (error: unknown) => void;
}

/** Who an access token speaks for. */
export interface BearerIdentity {
  readonly userId: string;
  readonly scopes: ReadonlySet<string>;
  readonly clientId: string;
}

const rootKeyName = 'cookie-keys';

/** Sign-in with everything that it needs, without its addresses: those are in register.ts. */
export class SignIn {
  readonly config: Config;
  readonly directory: Directory;
  readonly db: Kysely<Database>;
  readonly clients: Clients;
  readonly credentials: CredentialsParts;
  /** For the relying party's own transactions, which are kept in the browser. */
  readonly transactionSealer: Sealer;
  readonly now: () => number;
  readonly log: Logger;
  readonly #parts: SignInParts;
  readonly #rootKey: Buffer;
  readonly #recordSealer: Sealer;
  readonly #failedClients: FailedClients;
  #signingKeys: readonly SigningKey[];
  #signingKid: string;
  #provider: Provider;

  private constructor(parts: SignInParts, rootKey: Buffer, signingKeys: readonly SigningKey[]) {
    const { config, directory } = parts;
    const { db, now } = directory;
    this.#parts = parts;
    this.#rootKey = rootKey;
    this.config = config;
    this.directory = directory;
    this.db = db;
    this.now = now;
    this.log = parts.log;
    this.clients = new Clients(db, config, deriveKey(rootKey, 'client secrets'));
    this.credentials = {
      db,
      hasher: new PasswordHasher(),
      failures: new FailureCounter(db, {
        account: {
          maxFailures: config.signIn.maxFailuresPerAccount,
          windowMs: config.signIn.failureWindowMs,
        },
        address: {
          maxFailures: config.signIn.maxFailuresPerAddress,
          windowMs: config.signIn.failureWindowMs,
        },
      }),
      now: this.now,
      log: this.log,
    };
    this.#failedClients = new FailedClients(
      { maxFailures: config.signIn.maxFailuresPerAddress, windowMs: config.signIn.failureWindowMs },
      this.now,
    );
    this.transactionSealer = new Sealer(deriveKey(rootKey, 'sign-in transactions'));
    this.#recordSealer = new Sealer(deriveKey(rootKey, 'provider records'));
    this.#signingKeys = signingKeys;
    this.#signingKid = signingKeyAt(signingKeys, this.now()).kid;
    this.#provider = this.#createProvider();
  }

  /** Loads the keys of sign-in, making them at the first start. */
  static async open(parts: SignInParts): Promise<SignIn> {
    const rootKey = (await parts.secrets.unseal(rootKeyName)) ?? (await createRootKey(parts.secrets));
    const signingKeys = await loadSigningKeys(parts.secrets, parts.directory.now());
    return new SignIn(parts, rootKey, signingKeys);
  }

  /** The provider as it is now; it is replaced when the signing keys change. */
  get provider(): Provider {
    return this.#provider;
  }

  /** Publishes the next signing key, begins to sign with it, and drops old ones, each when its time has come. */
  async rotateSigningKeys(): Promise<void> {
    const keys = await loadSigningKeys(this.#parts.secrets, this.now());
    const { kid } = signingKeyAt(keys, this.now());
    if (sameKeys(keys, this.#signingKeys) && kid === this.#signingKid) return;
    this.#signingKeys = keys;
    this.#signingKid = kid;
    this.#provider = this.#createProvider();
    this.#parts.onKeysChanged?.();
  }

  /** What access tokens for applications are verified with, for relays. */
  get tokenTrust(): TokenTrust {
    const keys = this.#signingKeys.map(({ kid, kty, crv, x, y }) => ({ kid, kty, crv, x, y }));
    return { issuer: issuerOf(this.config), keys };
  }

  /** Deletes what has expired. */
  async deleteExpired(): Promise<void> {
    await deleteExpiredOidcRecords(this.db, this.now());
    await deleteExpiredInvitations(this.db, this.now());
    await this.credentials.failures.deleteStale(this.now());
  }

  /**
   * Says whom an access token speaks for, or null where it is unknown, changed, expired or revoked, or its account is
   * disabled. Asked again for every request: nothing of the answer may be kept.
   */
  async authenticateBearer(token: string): Promise<BearerIdentity | null> {
    const accessToken = await this.#provider.AccessToken.find(token);
    if (accessToken === undefined || accessToken.isExpired || accessToken.grantId === undefined) return null;
    const grant = await this.#provider.Grant.find(accessToken.grantId);
    if (grant === undefined || grant.isExpired || grant.accountId !== accessToken.accountId) return null;
    const user = await findUser(this.db, accessToken.accountId);
    if (user?.accountEnabled !== 1) return null;
    return {
      userId: user.id,
      scopes: new Set(accessToken.scopes),
      clientId: accessToken.clientId ?? cliClientId,
    };
  }

  /** Ends a login session, what was granted in it, and the edge sessions that came from it. */
  async endLoginSession(uid: string): Promise<void> {
    const record = await endOidcSession(this.db, uid, this.now() + this.config.sessions.loginLifetimeMs);
    const session = readPayload(record, this.#recordSealer);
    for (const { grantId, persistsLogout } of Object.values(session?.authorizations ?? {})) {
      if (grantId === undefined || persistsLogout) continue;
      await deleteOidcRecordsOfGrant(this.db, grantId);
      await deleteOidcRecord(this.db, 'Grant', hashId(grantId));
    }
    const count = await endSessionsOfLogin(this.directory, uid);
    events.sessionEnded(this.log, { reason: 'signed_out', count });
  }

  reportServerError(error: unknown): void {
    this.#parts.onServerError?.(error);
  }

  #createProvider(): Provider {
    return createProvider({
      config: this.config,
      db: this.db,
      clients: this.clients,
      credentials: this.credentials,
      applicationTokens: {
        issuer: issuerOf(this.config),
        db: this.db,
        directory: this.directory,
        clients: this.clients,
        signingKey: signingKeyAt(this.#signingKeys, this.now()),
        failures: this.#failedClients,
        now: this.now,
        log: this.log,
      },
      sealer: this.#recordSealer,
      cookieKey: deriveKey(this.#rootKey, 'provider cookies'),
      signingKeys: this.#signingKeys,
      now: this.now,
      onGrantEnded: async grantId => void (await endSessionsOfLogin(this.directory, grantId)),
      onLoginSessionEnded: uid => this.endLoginSession(uid),
      onServerError: error => this.reportServerError(error),
    });
  }
}

async function createRootKey(secrets: SealedSecrets): Promise<Buffer> {
  const rootKey = randomBytes(32);
  await secrets.seal(rootKeyName, rootKey);
  return rootKey;
}
