import type { Migration } from 'kysely/migration';

/** Where connectors are, so that those near an application or a node are preferred. */
export const connectorRegions: Migration = {
  async up(db) {
    await db.schema.alterTable('connector').addColumn('region', 'text').execute();
  },
};
