import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readTrustSettings } from '@postern/connector/identity/trust-settings';
import { registerConnector } from '@postern/connector/register';
import { ageIdentity } from '../testbed/age-identity.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

let bed: Testbed;

before(async () => {
  bed = await startTestbed({ applications: [] });
});
after(() => bed?.[Symbol.asyncDispose]());

const offSince = (days: number) => ageIdentity(bed, bed.connectors[0]!, days);

test('a connector that was off until day 179 renews by itself, and is the one that it was', async () => {
  const connector = bed.connectors[0]!;
  const old = await offSince(179);

  await connector.restart();
  await connector.log.until('"certificate_renewed"');

  const settings = await readTrustSettings(connector.dataDir);
  assert.equal(settings?.isInUserStore, true);
  assert.notEqual(settings.thumbprint, old);
  await connector.restart();
  assert.ok(connector.log.text.includes(settings.thumbprint));
  const { body } = await bed.api(
    'GET',
    `/onPremisesPublishingProfiles/applicationProxy/connectors/${connector.id}`,
  );
  assert.equal((body as { status: string }).status, 'active');
});

test('a connector that was off until day 181 writes event 1000, and one command brings it back with its id', async () => {
  const connector = bed.connectors[0]!;
  await offSince(181);

  const before = connector.log;
  const back = connector.restart();
  while (connector.log === before) await new Promise(resolve => setImmediate(resolve));
  await connector.log.until('"id":1000');
  const registered = await registerConnector({
    service: `${bed.domain}:${bed.port}`,
    token: () => bed.token(),
    dataDir: connector.dataDir,
    machineName: 'connector-0',
    caFile: bed.caFile,
    key: 'p384',
  });
  await back;

  assert.equal(registered.connectorId, connector.id);
});
