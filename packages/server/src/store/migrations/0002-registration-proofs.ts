import type { Migration } from 'kysely/migration';

/** Keys that have been registered, so that a proof of possession gives one connector however often it is sent. */
export const registrationProofs: Migration = {
  async up(db) {
    await db.schema
      .createTable('registrationProof')
      .addColumn('keySha256', 'text', column => column.primaryKey())
      .addColumn('connectorId', 'text', column => column.notNull())
      .addColumn('createdAt', 'integer', column => column.notNull())
      .execute();
  },
};
