import type { Migration } from 'kysely/migration';

/** Connectors that an administrator has taken out of use for a while. */
export const drainingConnectors: Migration = {
  async up(db) {
    await db.schema.alterTable('connector').addColumn('drainingSince', 'integer').execute();
  },
};
