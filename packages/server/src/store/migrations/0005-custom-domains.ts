import type { Migration } from 'kysely/migration';

/** Custom domains, the certificates for public names, and what becomes of those that the service gets by itself. */
export const customDomains: Migration = {
  async up(db) {
    await db.schema
      .createTable('customDomain')
      .addColumn('name', 'text', column => column.primaryKey())
      .addColumn('verificationToken', 'text', column => column.notNull())
      .addColumn('automaticCertificates', 'integer', column => column.notNull())
      .addColumn('verifiedAt', 'integer')
      .addColumn('verifiedBy', 'text')
      .addColumn('createdAt', 'integer', column => column.notNull())
      .execute();

    await db.schema
      .createTable('publicCertificate')
      .addColumn('id', 'text', column => column.primaryKey())
      .addColumn('source', 'text', column => column.notNull())
      .addColumn('namesJson', 'text', column => column.notNull())
      .addColumn('pem', 'text', column => column.notNull())
      .addColumn('sha256', 'text', column => column.notNull().unique())
      .addColumn('thumbprint', 'text', column => column.notNull())
      .addColumn('notBefore', 'integer', column => column.notNull())
      .addColumn('notAfter', 'integer', column => column.notNull())
      .addColumn('renewAt', 'integer')
      .addColumn('createdAt', 'integer', column => column.notNull())
      .execute();

    await db.schema
      .createTable('automaticCertificate')
      .addColumn('key', 'text', column => column.primaryKey())
      .addColumn('namesJson', 'text', column => column.notNull())
      .addColumn('orderUrl', 'text')
      .addColumn('failures', 'integer', column => column.notNull())
      .addColumn('lastAttemptAt', 'integer')
      .addColumn('nextAttemptAt', 'integer')
      .addColumn('lastError', 'text')
      .addColumn('lastRemedy', 'text')
      .execute();
  },
};
