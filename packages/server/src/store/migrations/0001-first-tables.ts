import { randomUUID } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** The tables of the first release, and the connector group that new connectors and applications join. */
export const firstTables: Migration = {
  async up(db) {
    await createPeople(db);
    await createConnectors(db);
    await createApplications(db);
    await createSignIn(db);
    await createSealedSecrets(db);
    await insertDefaultGroup(db);
  },
};

async function createPeople(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('user')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('userPrincipalName', 'text', column => column.notNull())
    .addColumn('signInName', 'text', column => column.notNull().unique())
    .addColumn('displayName', 'text', column => column.notNull())
    .addColumn('mail', 'text')
    .addColumn('accountEnabled', 'integer', column => column.notNull())
    .addColumn('passwordHash', 'text')
    .addColumn('createdAt', 'integer', column => column.notNull())
    .addColumn('version', 'integer', column => column.notNull().defaultTo(1))
    .execute();

  await db.schema
    .createTable('userGroup')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('displayName', 'text', column => column.notNull())
    .addColumn('description', 'text')
    .addColumn('createdAt', 'integer', column => column.notNull())
    .addColumn('version', 'integer', column => column.notNull().defaultTo(1))
    .execute();

  await db.schema
    .createTable('userGroupMember')
    .addColumn('groupId', 'text', column => column.notNull().references('userGroup.id').onDelete('cascade'))
    .addColumn('userId', 'text', column => column.notNull().references('user.id').onDelete('cascade'))
    .addPrimaryKeyConstraint('userGroupMemberKey', ['groupId', 'userId'])
    .execute();
  await db.schema.createIndex('userGroupMemberUser').on('userGroupMember').column('userId').execute();

  await db.schema
    .createTable('roleAssignment')
    .addColumn('userId', 'text', column => column.notNull().references('user.id').onDelete('cascade'))
    .addColumn('role', 'text', column => column.notNull())
    .addPrimaryKeyConstraint('roleAssignmentKey', ['userId', 'role'])
    .execute();
}

async function createConnectors(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('connectorGroup')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('name', 'text', column => column.notNull().unique())
    .addColumn('isDefault', 'integer', column => column.notNull())
    .addColumn('region', 'text')
    .addColumn('createdAt', 'integer', column => column.notNull())
    .addColumn('version', 'integer', column => column.notNull().defaultTo(1))
    .execute();

  await db.schema
    .createTable('connector')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('machineName', 'text', column => column.notNull())
    .addColumn('groupId', 'text', column => column.notNull().references('connectorGroup.id'))
    .addColumn('externalIp', 'text')
    .addColumn('version', 'text', column => column.notNull())
    .addColumn('os', 'text', column => column.notNull())
    .addColumn('createdAt', 'integer', column => column.notNull())
    .addColumn('lastSeenAt', 'integer')
    .addColumn('revokedAt', 'integer')
    .execute();
  await db.schema.createIndex('connectorGroupOfConnector').on('connector').column('groupId').execute();

  await db.schema
    .createTable('connectorCertificate')
    .addColumn('serial', 'text', column => column.primaryKey())
    .addColumn('connectorId', 'text', column =>
      column.notNull().references('connector.id').onDelete('cascade'),
    )
    .addColumn('sha256', 'text', column => column.notNull().unique())
    .addColumn('thumbprint', 'text', column => column.notNull())
    .addColumn('notBefore', 'integer', column => column.notNull())
    .addColumn('notAfter', 'integer', column => column.notNull())
    .addColumn('revokedAt', 'integer')
    .addColumn('pem', 'text', column => column.notNull())
    .execute();
  await db.schema
    .createIndex('connectorCertificateConnector')
    .on('connectorCertificate')
    .column('connectorId')
    .execute();

  await db.schema
    .createTable('registrationProof')
    .addColumn('keySha256', 'text', column => column.primaryKey())
    .addColumn('connectorId', 'text', column => column.notNull())
    .addColumn('createdAt', 'integer', column => column.notNull())
    .execute();
}

async function createApplications(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('application')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('appId', 'text', column => column.notNull().unique())
    .addColumn('servicePrincipalId', 'text', column => column.notNull().unique())
    .addColumn('displayName', 'text', column => column.notNull())
    .addColumn('connectorGroupId', 'text', column => column.notNull().references('connectorGroup.id'))
    .addColumn('assignmentRequired', 'integer', column => column.notNull())
    .addColumn('accountEnabled', 'integer', column => column.notNull())
    .addColumn('visibleToUsers', 'integer', column => column.notNull())
    .addColumn('homePageUrl', 'text')
    .addColumn('publishingJson', 'text')
    .addColumn('externalUrl', 'text', column => column.unique())
    .addColumn('createdAt', 'integer', column => column.notNull())
    .addColumn('version', 'integer', column => column.notNull().defaultTo(1))
    .execute();
  await db.schema
    .createIndex('applicationConnectorGroup')
    .on('application')
    .column('connectorGroupId')
    .execute();

  // principalId names a user or a group, so that no foreign key can cover it; directory/ removes the rows of both.
  await db.schema
    .createTable('appRoleAssignment')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('resourceId', 'text', column =>
      column.notNull().references('application.servicePrincipalId').onDelete('cascade'),
    )
    .addColumn('principalId', 'text', column => column.notNull())
    .addColumn('principalType', 'text', column => column.notNull())
    .addColumn('createdAt', 'integer', column => column.notNull())
    .addUniqueConstraint('appRoleAssignmentOnce', ['resourceId', 'principalId'])
    .execute();
  await db.schema
    .createIndex('appRoleAssignmentPrincipal')
    .on('appRoleAssignment')
    .column('principalId')
    .execute();
}

async function createSignIn(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('edgeSession')
    .addColumn('id', 'text', column => column.primaryKey())
    .addColumn('idHash', 'text', column => column.notNull().unique())
    .addColumn('host', 'text', column => column.notNull())
    .addColumn('userId', 'text', column => column.notNull().references('user.id').onDelete('cascade'))
    .addColumn('loginSessionUid', 'text')
    .addColumn('createdAt', 'integer', column => column.notNull())
    .addColumn('expiresAt', 'integer', column => column.notNull())
    .execute();
  await db.schema.createIndex('edgeSessionUser').on('edgeSession').column('userId').execute();
  await db.schema.createIndex('edgeSessionLogin').on('edgeSession').column('loginSessionUid').execute();
  await db.schema.createIndex('edgeSessionExpiry').on('edgeSession').column('expiresAt').execute();

  await db.schema
    .createTable('invitation')
    .addColumn('secretHash', 'text', column => column.primaryKey())
    .addColumn('userId', 'text', column => column.notNull().references('user.id').onDelete('cascade'))
    .addColumn('purpose', 'text', column => column.notNull())
    .addColumn('createdAt', 'integer', column => column.notNull())
    .addColumn('expiresAt', 'integer', column => column.notNull())
    .addColumn('usedAt', 'integer')
    .execute();
  await db.schema.createIndex('invitationUser').on('invitation').column('userId').execute();

  await db.schema
    .createTable('signInFailure')
    .addColumn('key', 'text', column => column.primaryKey())
    .addColumn('count', 'integer', column => column.notNull())
    .addColumn('windowStartedAt', 'integer', column => column.notNull())
    .addColumn('blockedUntil', 'integer')
    .execute();

  await db.schema
    .createTable('oidcRecord')
    .addColumn('model', 'text', column => column.notNull())
    .addColumn('id', 'text', column => column.notNull())
    .addColumn('payloadJson', 'text', column => column.notNull())
    .addColumn('grantId', 'text')
    .addColumn('userCode', 'text')
    .addColumn('uid', 'text')
    .addColumn('consumedAt', 'integer')
    .addColumn('expiresAt', 'integer')
    .addPrimaryKeyConstraint('oidcRecordKey', ['model', 'id'])
    .execute();
  await db.schema.createIndex('oidcRecordGrant').on('oidcRecord').column('grantId').execute();
  await db.schema.createIndex('oidcRecordUserCode').on('oidcRecord').column('userCode').execute();
  await db.schema.createIndex('oidcRecordUid').on('oidcRecord').column('uid').execute();
  await db.schema.createIndex('oidcRecordExpiry').on('oidcRecord').column('expiresAt').execute();
  await db.schema
    .createIndex('oidcRecordAccount')
    .on('oidcRecord')
    .expression(sql`json_extract(payloadJson, '$.accountId')`)
    .execute();
}

async function createSealedSecrets(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('sealedSecret')
    .addColumn('name', 'text', column => column.primaryKey())
    .addColumn('sealed', 'text', column => column.notNull())
    .addColumn('createdAt', 'integer', column => column.notNull())
    .execute();
}

async function insertDefaultGroup(db: Kysely<unknown>): Promise<void> {
  await sql`insert into connectorGroup (id, name, isDefault, region, createdAt)
    values (${randomUUID()}, 'Default', 1, null, ${Date.now()})`.execute(db);
}
