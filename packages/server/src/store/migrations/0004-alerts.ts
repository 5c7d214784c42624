import type { Migration } from 'kysely/migration';

/** Alerts and what is still to be delivered of them; and what happened to each connector lately. */
export const alerts: Migration = {
  async up(db) {
    await db.schema
      .createTable('alert')
      .addColumn('id', 'text', column => column.primaryKey())
      .addColumn('subject', 'text', column => column.notNull().unique())
      .addColumn('createdAt', 'integer', column => column.notNull())
      .addColumn('alertJson', 'text', column => column.notNull())
      .execute();

    await db.schema
      .createTable('alertDelivery')
      .addColumn('alertId', 'text', column => column.notNull().references('alert.id').onDelete('cascade'))
      .addColumn('channel', 'text', column => column.notNull())
      .addColumn('attempts', 'integer', column => column.notNull())
      .addColumn('nextAttemptAt', 'integer')
      .addColumn('deliveredAt', 'integer')
      .addColumn('lastError', 'text')
      .addPrimaryKeyConstraint('alertDeliveryKey', ['alertId', 'channel'])
      .execute();
    await db.schema.createIndex('alertDeliveryDue').on('alertDelivery').column('nextAttemptAt').execute();

    await db.schema
      .createTable('connectorEvent')
      .addColumn('sequence', 'integer', column => column.primaryKey().autoIncrement())
      .addColumn('connectorId', 'text', column =>
        column.notNull().references('connector.id').onDelete('cascade'),
      )
      .addColumn('createdAt', 'integer', column => column.notNull())
      .addColumn('event', 'text', column => column.notNull())
      .addColumn('level', 'text', column => column.notNull())
      .addColumn('message', 'text', column => column.notNull())
      .execute();
    await db.schema
      .createIndex('connectorEventConnector')
      .on('connectorEvent')
      .columns(['connectorId', 'sequence'])
      .execute();
  },
};
