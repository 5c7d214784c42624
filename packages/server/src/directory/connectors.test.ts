import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { findDefaultConnectorGroup, listConnectorGroups } from '../store/connector-groups.ts';
import { findConnector } from '../store/connectors.ts';
import { createApplication, deleteApplication, setConnectorGroup } from './applications.ts';
import { createConnectorGroup, deleteConnectorGroup, updateConnectorGroup } from './connector-groups.ts';
import { moveConnector, revokeConnector, setRegion } from './connectors.ts';
import type { Directory } from './directory.ts';
import { openDirectoryForTests } from './directory-for-tests.ts';
import { recordSighting, recordStillSeen } from './sightings.ts';

async function register(directory: Directory, groupId: string): Promise<string> {
  const id = randomUUID();
  await directory.db
    .insertInto('connector')
    .values({ id, machineName: 'edge01', groupId, version: '1.0.0', os: 'linux', createdAt: 0 })
    .execute();
  await directory.db
    .insertInto('connectorCertificate')
    .values({
      serial: id.toUpperCase(),
      connectorId: id,
      sha256: `SHA ${id}`,
      thumbprint: 'AB',
      notBefore: 0,
      notAfter: 1,
      pem: '',
    })
    .execute();
  return id;
}

describe('connector groups', () => {
  test('are created, renamed and deleted, each told to the relays; a name is taken once', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;

    const group = await createConnectorGroup(directory, { name: 'Site A', region: 'eur' });
    await assert.rejects(createConnectorGroup(directory, { name: 'Site A' }), { code: 'conflict' });
    await assert.rejects(updateConnectorGroup(directory, group.id, { name: 'Default' }), {
      code: 'conflict',
    });
    const renamed = await updateConnectorGroup(directory, group.id, { name: 'Site B' }, group.version);
    await assert.rejects(updateConnectorGroup(directory, group.id, { name: 'x' }, group.version), {
      code: 'precondition_failed',
    });
    await deleteConnectorGroup(directory, group.id, renamed.version);

    assert.deepEqual(opened.takeChanges(), [
      { set: 'connectorGroups', put: { id: group.id, name: 'Site A', region: 'eur' } },
      { set: 'connectorGroups', put: { id: group.id, name: 'Site B', region: 'eur' } },
      { set: 'connectorGroups', remove: group.id },
    ]);
    assert.deepEqual(
      (await listConnectorGroups(directory.db, { limit: 10 })).map(row => row.name),
      ['Default'],
    );
  });

  test('the default group stays, and so does one that is not empty', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const fallback = await findDefaultConnectorGroup(directory.db);
    const group = await createConnectorGroup(directory, { name: 'Site A' });
    const application = await createApplication(directory, { displayName: 'Wiki' });
    await setConnectorGroup(directory, application.id, group.id);

    await assert.rejects(deleteConnectorGroup(directory, fallback.id), { code: 'forbidden' });
    await assert.rejects(deleteConnectorGroup(directory, group.id), {
      code: 'conflict',
      message: /0 connectors and 1 applications/,
    });
    await deleteApplication(directory, application.id);
    const connectorId = await register(directory, group.id);
    await assert.rejects(deleteConnectorGroup(directory, group.id), { code: 'conflict' });

    // A revoked connector is a record only, and moves to the default group.
    await revokeConnector(directory, connectorId);
    await deleteConnectorGroup(directory, group.id);
    assert.equal((await findConnector(directory.db, connectorId))?.groupId, fallback.id);
  });
});

describe('connectors', () => {
  test('are in a region, which relays compare in one form', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const group = await findDefaultConnectorGroup(directory.db);
    const id = await register(directory, group.id);
    const regions = [];
    for (const region of [' EU-North ', null]) {
      await setRegion(directory, id, region);
      const [change] = opened.takeChanges();
      assert.ok(change !== undefined && 'put' in change && change.set === 'connectors');
      regions.push(change.put.region);
    }

    assert.deepEqual(regions, ['eu-north', undefined]);
    await revokeConnector(directory, id);
    await assert.rejects(setRegion(directory, id, 'x'), { code: 'forbidden' });
    await assert.rejects(setRegion(directory, 'nobody', 'x'), { code: 'not_found' });
  });

  test('revoking one marks every certificate, once, and tells the relays (threat G12)', async () => {
    await using opened = await openDirectoryForTests();
    const { directory, clock } = opened;
    const group = await findDefaultConnectorGroup(directory.db);
    const id = await register(directory, group.id);

    const revoked = await revokeConnector(directory, id);
    clock.now += 1_000;
    const again = await revokeConnector(directory, id);

    assert.equal(again.revokedAt, revoked.revokedAt);
    assert.deepEqual(opened.takeChanges()[0], {
      set: 'connectors',
      put: {
        id,
        machineName: 'edge01',
        groupId: group.id,
        certificates: [{ sha256: `SHA ${id}`, revoked: true }],
        revoked: true,
        draining: false,
      },
    });
    await assert.rejects(moveConnector(directory, id, group.id), { code: 'forbidden' });
    await assert.rejects(revokeConnector(directory, 'nobody'), { code: 'not_found' });
  });

  test('moving one to another group is told to the relays', async () => {
    await using opened = await openDirectoryForTests();
    const { directory } = opened;
    const id = await register(directory, (await findDefaultConnectorGroup(directory.db)).id);
    const group = await createConnectorGroup(directory, { name: 'Site A' });
    opened.takeChanges();

    await moveConnector(directory, id, group.id);

    const [change] = opened.takeChanges();
    assert(change.set === 'connectors' && 'put' in change);
    assert.equal(change.put.groupId, group.id);
    await assert.rejects(moveConnector(directory, id, 'nowhere'), { code: 'not_found' });
  });

  test('where and when one was seen is kept and is no news for relays', async () => {
    await using opened = await openDirectoryForTests();
    const { directory, clock } = opened;
    const id = await register(directory, (await findDefaultConnectorGroup(directory.db)).id);

    await recordSighting(directory, {
      tunnelId: 't',
      connectorId: id,
      externalIp: '203.0.113.9',
      machineName: 'edge01',
      version: '1.2.3',
      os: 'debian',
      since: clock.now,
    });
    const seenFirst = clock.now;
    clock.now += 60_000;
    await recordStillSeen(directory, [id, 'unknown']);

    const connector = await findConnector(directory.db, id);
    assert.equal(connector?.externalIp, '203.0.113.9');
    assert.equal(connector?.version, '1.2.3');
    assert.equal(connector?.lastSeenAt, seenFirst + 60_000);
    assert.deepEqual(opened.takeChanges(), []);
  });
});
