import type { Migration } from 'kysely/migration';

/** Which authority a connector has said it trusts: the service's own may be exchanged when none is left that has not. */
export const keptAnchors: Migration = {
  async up(db) {
    await db.schema.alterTable('connector').addColumn('keptAnchor', 'text').execute();
  },
};
