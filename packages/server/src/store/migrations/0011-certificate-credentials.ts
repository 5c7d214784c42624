import type { Migration } from 'kysely/migration';

/** Credentials that are a client's certificate; those before hold a secret. */
export const certificateCredentials: Migration = {
  async up(db) {
    await db.schema.alterTable('applicationCredential').addColumn('certificateSha256', 'text').execute();
  },
};
