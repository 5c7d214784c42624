import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createKey } from '@postern/connector/identity/proof';
import type { Kysely } from 'kysely';
import { findDefaultConnectorGroupId } from '../store/connector-registrations.ts';
import { openStore } from '../store/open.ts';
import type { Database } from '../store/schema.ts';
import { SealedSecrets } from '../store/sealed-secrets.ts';
import { type Authorities, openAuthorities } from './authorities.ts';
import { type IssuedCertificate, issueTrustCertificate } from './issue.ts';

/** A real store with the service's authorities, for tests of what becomes of certificates. */
export class RegistrationBench implements AsyncDisposable {
  readonly db: Kysely<Database>;
  readonly authorities: Authorities;
  readonly #folder: string;

  private constructor(db: Kysely<Database>, authorities: Authorities, folder: string) {
    this.db = db;
    this.authorities = authorities;
    this.#folder = folder;
  }

  /** @param now By which authorities are made, in milliseconds since the epoch. */
  static async open(now: () => number): Promise<RegistrationBench> {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-registration-'));
    const db = await openStore(path.join(folder, 'postern.db'));
    const secrets = new SealedSecrets(db, Buffer.alloc(32, 7));
    const authorities = await openAuthorities({ secrets, domain: 'example.com', now });
    return new RegistrationBench(db, authorities, folder);
  }

  /** Puts a connector on record, with a certificate of that time. */
  async addConnector(
    connectorId: string,
    { now, machineName = 'srv-01' }: { readonly now: number; readonly machineName?: string },
  ): Promise<IssuedCertificate> {
    const { db, authorities } = this;
    const publicKey = createPublicKey((await createKey('p384')).privateKey);
    const issued = await issueTrustCertificate(authorities.registration, {
      ...{ publicKey, connectorId, machineName, now },
    });
    const groupId = await findDefaultConnectorGroupId(db);
    const unknown = { externalIp: null, lastSeenAt: null, revokedAt: null };
    const about = { machineName, groupId, version: '1', os: 'Linux', createdAt: now };
    await db
      .insertInto('connector')
      .values({ id: connectorId, ...about, ...unknown })
      .execute();
    await db
      .insertInto('connectorCertificate')
      .values({ ...issued, connectorId, revokedAt: null })
      .execute();
    return issued;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.destroy();
    rmSync(this.#folder, { recursive: true });
  }
}
