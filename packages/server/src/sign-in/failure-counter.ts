import { hash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { addressKey } from '../edge/address-key.ts';
import { countAttempt, type FailureLimit, isBlocked } from '../edge/failure-limits.ts';
import type { Database } from '../store/schema.ts';
import {
  deleteSignInFailure,
  deleteStaleSignInFailures,
  findSignInFailures,
  putSignInFailure,
  takeBackSignInFailure,
} from '../store/sign-in-failures.ts';

export interface FailureLimits {
  readonly account: FailureLimit;
  readonly address: FailureLimit;
}

/** An attempt that may be looked at. It counts as failed until it is taken back. */
export interface Attempt {
  readonly accountKey: string;
  readonly addressKey: string;
}

/** Counts failed sign-ins for each account and each address, in the store: for every node together. */
export class FailureCounter {
  readonly #db: Kysely<Database>;
  readonly #limits: FailureLimits;

  constructor(db: Kysely<Database>, limits: FailureLimits) {
    this.#db = db;
    this.#limits = limits;
  }

  /**
   * Counts an attempt, or gives null where the account or the address has to wait. Names that belong to nobody are
   * counted alike, so that the wait does not tell which exist.
   *
   * @param signInName In its normal form.
   */
  async begin(signInName: string, address: string, now: number): Promise<Attempt | null> {
    // Hashed, because people type passwords into the name field.
    const accountKey = `account:${hash('sha256', signInName, 'base64url')}`;
    const attempt = { accountKey, addressKey: `address:${addressKey(address)}` };
    const limits = [
      [attempt.accountKey, this.#limits.account],
      [attempt.addressKey, this.#limits.address],
    ] as const;
    return await this.#db.transaction().execute(async transaction => {
      const known = await findSignInFailures(
        transaction,
        limits.map(([key]) => key),
      );
      if (known.some(count => isBlocked(count, now))) return null;
      for (const [index, [key, limit]] of limits.entries()) {
        await putSignInFailure(transaction, { key, ...countAttempt(known[index], limit, now) });
      }
      return attempt;
    });
  }

  /** The attempt was right: the account begins anew, and the address gets its count back. */
  async succeed(attempt: Attempt): Promise<void> {
    await this.#db.transaction().execute(async transaction => {
      await deleteSignInFailure(transaction, attempt.accountKey);
      await takeBackSignInFailure(transaction, attempt.addressKey);
    });
  }

  /** The attempt was not looked at after all. */
  async takeBack(attempt: Attempt): Promise<void> {
    await takeBackSignInFailure(this.#db, attempt.accountKey);
    await takeBackSignInFailure(this.#db, attempt.addressKey);
  }

  async deleteStale(now: number): Promise<void> {
    const windowMs = Math.max(this.#limits.account.windowMs, this.#limits.address.windowMs);
    await deleteStaleSignInFailures(this.#db, now - windowMs);
  }
}
