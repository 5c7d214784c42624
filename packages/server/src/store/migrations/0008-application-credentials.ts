import type { Migration } from 'kysely/migration';

/** Credentials of programs that use an application without a person. */
export const applicationCredentials: Migration = {
  async up(db) {
    await db.schema
      .createTable('applicationCredential')
      .addColumn('id', 'text', column => column.primaryKey())
      .addColumn('applicationId', 'text', column =>
        column.notNull().references('application.id').onDelete('cascade'),
      )
      .addColumn('clientId', 'text', column => column.notNull())
      .addColumn('displayName', 'text')
      .addColumn('secretHash', 'text', column => column.notNull())
      .addColumn('hint', 'text', column => column.notNull())
      .addColumn('createdAt', 'integer', column => column.notNull())
      .addColumn('expiresAt', 'integer', column => column.notNull())
      .addColumn('lastUsedAt', 'integer')
      .execute();
    for (const name of ['applicationId', 'clientId'] as const) {
      await db.schema
        .createIndex(`applicationCredential_${name}`)
        .on('applicationCredential')
        .column(name)
        .execute();
    }
  },
};
