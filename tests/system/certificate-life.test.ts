import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { saveNewKey, storeFolder } from '@postern/connector/identity/certificate-store';
import { createKey } from '@postern/connector/identity/proof';
import { readTrustSettings, writeTrustSettings } from '@postern/connector/identity/trust-settings';
import { registerConnector } from '@postern/connector/register';
import { openData } from '@postern/server/operate/open-data';
import { openAuthorities } from '@postern/server/registration/authorities';
import { issueTrustCertificate } from '@postern/server/registration/issue';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const dayMs = 86_400_000;

let bed: Testbed;

before(async () => {
  bed = await startTestbed({ applications: [] });
});
after(() => bed?.[Symbol.asyncDispose]());

/** Stops the connector, and leaves it with nothing but a certificate that the service issued so many days ago. */
async function offSince(days: number): Promise<string> {
  const { id: connectorId, dataDir, process } = bed.connectors[0]!;
  if (process.exitCode === null) {
    process.kill('SIGTERM');
    await once(process, 'exit');
  }
  const { privateKey } = await createKey('p384');
  {
    await using data = await openData(bed.config, {});
    const authorities = await openAuthorities({
      secrets: data.secrets,
      domain: bed.domain,
      now: Date.now,
    });
    const issued = await issueTrustCertificate(authorities.registration, {
      publicKey: createPublicKey(privateKey),
      connectorId,
      machineName: 'connector-0',
      now: Date.now() - days * dayMs,
    });
    await data.db
      .insertInto('connectorCertificate')
      .values({ ...issued, connectorId, revokedAt: null })
      .execute();
    for (const store of ['machine', 'user'] as const) {
      rmSync(storeFolder(dataDir, store), { recursive: true, force: true });
    }
    const pending = await saveNewKey(dataDir, 'machine', privateKey);
    const { thumbprint } = await pending.complete(issued.pem);
    await writeTrustSettings(dataDir, { thumbprint, isInUserStore: false });
  }
  await bed.restartService();
  return (await readTrustSettings(dataDir))!.thumbprint;
}

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
