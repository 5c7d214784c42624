import type { Kysely } from 'kysely';
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import {
  consumeOidcRecord,
  deleteOidcRecord,
  deleteOidcRecordsOfGrant,
  findOidcRecord,
  hashId,
  keepNewestWaiting,
  type OidcRecord,
  putOidcRecord,
  putOidcRecordOfSession,
} from '../store/oidc-records.ts';
import type { Database } from '../store/schema.ts';
import type { Sealer } from './sealer.ts';

export interface OidcAdapterParts {
  readonly db: Kysely<Database>;
  readonly sealer: Sealer;
  readonly now: () => number;
  /** Metadata of a relying party, or undefined where there is none with this id. */
  readonly findClient: (clientId: string) => Promise<AdapterPayload | undefined>;
  /** Everything that came from this grant is being taken back. */
  readonly onGrantEnded: (grantId: string) => Promise<void>;
  /** What the client of the request that is being served is counted under; null outside of one. */
  readonly clientKey: () => string | null;
  /** Of what waits for somebody to sign in: the oldest beyond these numbers are forgotten. */
  readonly mostWaiting: MostWaiting;
}

export interface MostWaiting {
  readonly ofClient: number;
  readonly inAll: number;
}

/** What anybody may begin without signing in, as often as they like. */
const waitingModels = new Set(['Interaction', 'DeviceCode']);
/** After so many more, all that wait are counted again. */
const countedEvery = 100;

/**
 * Keeps the records of oidc-provider in the store. Ids are stored as SHA-256, since most are bearer secrets, and the
 * rest of a record is sealed, since it repeats them: who reads the database gets nothing that could be presented.
 */
export function oidcAdapter(model: string, parts: OidcAdapterParts): Adapter {
  return model === 'Client' ? clientAdapter(parts) : recordAdapter(model, parts);
}

function recordAdapter(
  model: string,
  { db, sealer, now, onGrantEnded, clientKey, mostWaiting }: OidcAdapterParts,
): Adapter {
  let uncounted = 0;
  const forgetSurplus = async (origin: string) => {
    await keepNewestWaiting(db, model, origin, mostWaiting.ofClient);
    uncounted += 1;
    if (uncounted < countedEvery) return;
    uncounted = 0;
    await keepNewestWaiting(db, model, null, mostWaiting.inAll);
  };
  const read = (record: OidcRecord | undefined) => readPayload(record, sealer);
  return {
    async upsert(id, payload, expiresIn) {
      const storedId = hashId(id);
      const record = {
        model,
        id: storedId,
        payloadJson: JSON.stringify({
          accountId: accountIdOf(payload),
          sealed: sealer.seal(JSON.stringify(payload), `${model} ${storedId}`),
        }),
        grantId: payload.grantId ?? null,
        userCode: payload.userCode ?? null,
        uid: payload.uid ?? null,
        expiresAt: expiresIn ? now() + expiresIn * 1_000 : null,
        origin: waitingModels.has(model) && accountIdOf(payload) === undefined ? clientKey() : null,
      };
      // oidc-provider reads the login session when a request begins, and writes it and what follows from it at the end.
      const sessionUid = sessionUidOf(model, payload);
      if (sessionUid === undefined) {
        await putOidcRecord(db, record);
        if (record.origin !== null) await forgetSurplus(record.origin);
        return;
      }
      if (await putOidcRecordOfSession(db, record, sessionUid)) return;
      throw new errors.SessionNotFound('the sign-in has ended meanwhile');
    },
    async find(id) {
      return read(await findOidcRecord(db, model, { id: hashId(id) }));
    },
    async findByUid(uid) {
      return read(await findOidcRecord(db, model, { uid }));
    },
    async findByUserCode(userCode) {
      return read(await findOidcRecord(db, model, { userCode }));
    },
    async consume(id) {
      if (await consumeOidcRecord(db, model, hashId(id), now())) return;
      // Somebody else was faster: the secret is known to two. What the first one got ends with it (RFC 9700 §4.5).
      const grantId = (await findOidcRecord(db, model, { id: hashId(id) }))?.grantId;
      if (grantId != null) {
        await deleteOidcRecordsOfGrant(db, grantId);
        await onGrantEnded(grantId);
      }
      throw new errors.InvalidGrant(`${model} was already used`);
    },
    async destroy(id) {
      await deleteOidcRecord(db, model, hashId(id));
    },
    async revokeByGrantId(grantId) {
      await deleteOidcRecordsOfGrant(db, grantId, model);
      // Called for every kind of record; this one is there whatever the grant has given.
      if (model === 'AccessToken') await onGrantEnded(grantId);
    },
  };
}

/** Whose record it is; of a sign-in that waits for the browser to come back, whose password was given. */
function accountIdOf({ accountId, result }: AdapterPayload): string | undefined {
  return accountId ?? result?.login?.accountId;
}

/** The login session that a record is, or was made in, and may not be stored without; tokens may outlive it. */
function sessionUidOf(model: string, { uid, sessionUid }: AdapterPayload): string | undefined {
  if (model === 'Session') return uid;
  return model === 'AuthorizationCode' || model === 'DeviceCode' ? sessionUid : undefined;
}

/** Relying parties are no records of oidc-provider: they follow from the published applications. */
function clientAdapter({ findClient }: OidcAdapterParts): Adapter {
  const neverStored = () => Promise.reject(new TypeError('Relying parties are not stored by oidc-provider.'));
  return {
    find: findClient,
    upsert: neverStored,
    findByUid: neverStored,
    findByUserCode: neverStored,
    consume: neverStored,
    destroy: neverStored,
    revokeByGrantId: neverStored,
  };
}

/** Reads a record; one that cannot be unsealed is as good as none. */
export function readPayload(record: OidcRecord | undefined, sealer: Sealer): AdapterPayload | undefined {
  if (record === undefined) return undefined;
  const { sealed } = JSON.parse(record.payloadJson) as { sealed: string };
  const payload = sealer.unseal(sealed, `${record.model} ${record.id}`);
  if (payload === null) return undefined;
  const consumed = record.consumedAt === null ? undefined : Math.floor(record.consumedAt / 1_000);
  return { ...(JSON.parse(payload) as AdapterPayload), ...(consumed && { consumed }) };
}
