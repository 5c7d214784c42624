import type { Kysely, Transaction } from 'kysely';
import type { Change, SessionRecord } from '../feed/messages.ts';
import { findEdgeSession } from '../store/edge-sessions.ts';
import type { Database } from '../store/schema.ts';
import type { SealedSecrets } from '../store/sealed-secrets.ts';
import { StoreError } from '../store/store-error.ts';
import { DirectoryError } from './directory-error.ts';
import type { ServiceAddress } from './published-urls.ts';
import { type DirectoryState, readChanges, readState, sessionRecordOf, Touched } from './records.ts';

/** Where changes go once they are committed. */
export interface ChangeSink {
  /** Hands a list of changes to every relay and gives its sequence number. Must not throw. */
  publish(changes: readonly Change[]): number;
  /** Resolves when every connected relay has applied that number, or after `timeoutMs`. */
  applied(sequence: number, timeoutMs: number): Promise<void>;
}

export interface DirectoryParts {
  readonly db: Kysely<Database>;
  readonly address: ServiceAddress;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Holds the keys of public certificates; without it relays get none. */
  readonly secrets?: SealedSecrets;
}

export interface ChangeOptions {
  /** Resolve only when the relays know of the change, at most a second later. */
  readonly awaitRelays?: boolean;
}

/** The work of a change, within its transaction; names in `touched` what relays have to hear about. */
export type ChangeWork<T> = (db: Transaction<Database>, touched: Touched) => Promise<T>;

/** How long a change that wants the relays to know of it waits for them. */
const awaitRelaysMs = 1_000;

/**
 * The one way in which users, groups, applications, connectors and sessions change. Changes run one after the other;
 * each is a transaction, and what it changed is published before the next begins. So relays get changes in the order of
 * the commits, and a snapshot or an answer read in between contains exactly what was published before it.
 */
export class Directory {
  readonly db: Kysely<Database>;
  readonly address: ServiceAddress;
  readonly now: () => number;
  readonly #secrets: SealedSecrets | null;
  #sink: ChangeSink = nobodyListens;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ db, address, now, secrets }: DirectoryParts) {
    this.db = db;
    this.address = address;
    this.now = now;
    this.#secrets = secrets ?? null;
  }

  /** Sends all changes from now on to a sink. */
  publishTo(sink: ChangeSink): void {
    this.#sink = sink;
  }

  /**
   * Runs a change. The work must await nothing but the store, since every other change waits for it, and names in
   * `touched` what relays have to hear about.
   *
   * @throws DirectoryError `storage_full`, and whatever the work throws; nothing is changed then.
   */
  async change<T>(work: ChangeWork<T>, options: ChangeOptions = {}): Promise<T> {
    const { result, sequence } = await this.#alone(async () => {
      const { result, changes } = await this.#transact(work);
      return { result, sequence: changes.length === 0 ? null : this.#sink.publish(changes) };
    });
    if (options.awaitRelays === true && sequence !== null) await this.#sink.applied(sequence, awaitRelaysMs);
    return result;
  }

  /** Tells relays again what the store holds for some ids, for changes that were written in another way. */
  async republish(set: Parameters<Touched['addAll']>[0], ids: readonly string[]): Promise<void> {
    await this.change(async (_db, touched) => touched.addAll(set, ids), { awaitRelays: true });
  }

  /** Reads what relays need and hands it on before any later change is published. */
  async readState(use: (state: DirectoryState) => void): Promise<void> {
    await this.#alone(async () => use(await readState(this.db, this.address, this.now(), this.#secrets)));
  }

  /** Looks a session up and hands it on before any later change, such as its end, is published. */
  async findSession(
    idHash: string,
    host: string,
    use: (session: SessionRecord | null) => void,
  ): Promise<void> {
    await this.#alone(async () => {
      const row = await findEdgeSession(this.db, idHash, host);
      use(row === null || row.expiresAt <= this.now() ? null : sessionRecordOf(row));
    });
  }

  async #transact<T>(work: ChangeWork<T>): Promise<{ result: T; changes: Change[] }> {
    try {
      return await this.db.transaction().execute(async db => {
        const touched = new Touched();
        const result = await work(db, touched);
        return { result, changes: await readChanges(db, touched, this.address, this.#secrets) };
      });
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'storage_full')) throw error;
      throw new DirectoryError(
        'storage_full',
        'The service has no space left to store this; nothing was changed. Free space in its data folder, then repeat.',
        { cause: error },
      );
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

const nobodyListens: ChangeSink = {
  publish: () => 0,
  applied: async () => undefined,
};
