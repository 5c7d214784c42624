import type { Migration } from 'kysely/migration';

/** Sessions whose administrator wants to see how long each hop takes. */
export const sessionTimings: Migration = {
  async up(db) {
    await db.schema.alterTable('edgeSession').addColumn('timingUntil', 'integer').execute();
  },
};
