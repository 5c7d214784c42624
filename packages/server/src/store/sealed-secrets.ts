import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Database } from './schema.ts';
import { StoreError } from './store-error.ts';

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

/**
 * Keeps secrets in the database, sealed with AES-256-GCM under the master key. The name is authenticated with the
 * ciphertext, so that nobody who can write the table can pass one secret off as another.
 */
export class SealedSecrets {
  readonly #db: Kysely<Database>;
  readonly #masterKey: Buffer;

  /** @param masterKey 32 bytes, from `loadMasterKey`. */
  constructor(db: Kysely<Database>, masterKey: Buffer) {
    this.#db = db;
    this.#masterKey = masterKey;
  }

  /** Stores a secret under a name, in place of the one that was there. */
  async seal(name: string, secret: Buffer | string, db: Kysely<Database> = this.#db): Promise<void> {
    const row = { name, sealed: sealSecret(this.#masterKey, name, secret), createdAt: Date.now() };
    await db
      .insertInto('sealedSecret')
      .values(row)
      .onConflict(conflict => conflict.column('name').doUpdateSet(row))
      .execute();
  }

  /**
   * Gives the secret of a name, or null where there is none.
   *
   * @throws StoreError `master_key_wrong` if it was sealed with another key or has been changed.
   */
  async unseal(name: string, db: Kysely<Database> = this.#db): Promise<Buffer | null> {
    const row = await db
      .selectFrom('sealedSecret')
      .select('sealed')
      .where('name', '=', name)
      .executeTakeFirst();
    return row === undefined ? null : unsealSecret(this.#masterKey, name, row.sealed);
  }

  async remove(name: string, db: Kysely<Database> = this.#db): Promise<void> {
    await db.deleteFrom('sealedSecret').where('name', '=', name).execute();
  }
}

/** Whether the database holds secrets, and so needs the master key that they were sealed with. */
export async function hasSealedSecrets(db: Kysely<Database>): Promise<boolean> {
  return (await db.selectFrom('sealedSecret').select('name').limit(1).executeTakeFirst()) !== undefined;
}

function sealSecret(masterKey: Buffer, name: string, secret: Buffer | string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, masterKey, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(name));
  const ciphertext = Buffer.concat([
    typeof secret === 'string' ? cipher.update(secret, 'utf8') : cipher.update(secret),
    cipher.final(),
  ]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]).toString('base64');
}

/** @throws StoreError `master_key_wrong` */
export function unsealSecret(masterKey: Buffer, name: string, sealed: string): Buffer {
  const bytes = Buffer.from(sealed, 'base64');
  try {
    const nonce = bytes.subarray(0, nonceBytes);
    const decipher = createDecipheriv(algorithm, masterKey, nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(name));
    decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]);
  } catch (cause) {
    throw new StoreError(
      'master_key_wrong',
      `The secret "${name}" cannot be unsealed: the master key is not the one it was sealed with, or the database has ` +
        'been changed. Put back the key that belongs to this database.',
      { cause },
    );
  }
}
