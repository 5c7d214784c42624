import type { Migration } from 'kysely/migration';

/** Enrolment tokens: what connectors register with where no administrator signs in. */
export const enrolmentTokens: Migration = {
  async up(db) {
    await db.schema
      .createTable('enrolmentToken')
      .addColumn('id', 'text', column => column.primaryKey())
      .addColumn('secretHash', 'text', column => column.notNull().unique())
      .addColumn('displayName', 'text')
      .addColumn('connectorGroupId', 'text', column =>
        column.notNull().references('connectorGroup.id').onDelete('cascade'),
      )
      .addColumn('createdBy', 'text', column => column.notNull())
      .addColumn('maxUses', 'integer', column => column.notNull())
      .addColumn('uses', 'integer', column => column.notNull())
      .addColumn('createdAt', 'integer', column => column.notNull())
      .addColumn('expiresAt', 'integer', column => column.notNull())
      .addColumn('lastUsedAt', 'integer')
      .addColumn('revokedAt', 'integer')
      .execute();
    await db.schema.alterTable('registrationProof').addColumn('enrolmentTokenId', 'text').execute();
    await db.schema
      .createIndex('enrolmentTokenConnectorGroup')
      .on('enrolmentToken')
      .column('connectorGroupId')
      .execute();
  },
};
