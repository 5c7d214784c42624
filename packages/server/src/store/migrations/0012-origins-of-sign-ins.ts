import type { Migration } from 'kysely/migration';

/** Whose address began what waits for somebody to sign in; what waits already has none, and ends within an hour. */
export const originsOfSignIns: Migration = {
  async up(db) {
    await db.schema.alterTable('oidcRecord').addColumn('origin', 'text').execute();
    await db.schema
      .createIndex('oidcRecordOrigin')
      .on('oidcRecord')
      .columns(['model', 'origin', 'expiresAt'])
      .where('origin', 'is not', null)
      .execute();
  },
};
