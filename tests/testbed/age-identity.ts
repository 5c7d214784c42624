import { createPublicKey } from 'node:crypto';
import { rmSync } from 'node:fs';
import { saveNewKey, storeFolder } from '@postern/connector/identity/certificate-store';
import { createKey } from '@postern/connector/identity/proof';
import { writeTrustSettings } from '@postern/connector/identity/trust-settings';
import { openData } from '@postern/server/operate/open-data';
import { openAuthorities } from '@postern/server/registration/authorities';
import { issueTrustCertificate } from '@postern/server/registration/issue';
import { end, type Testbed, type TestConnector } from './testbed.ts';

const dayMs = 86_400_000;

/**
 * Stops a connector, and leaves it with nothing but a certificate that its service issued so many days ago. The service
 * is started anew, and knows of no other.
 *
 * @returns the thumbprint.
 */
export async function ageIdentity(bed: Testbed, connector: TestConnector, days: number): Promise<string> {
  const { id: connectorId, dataDir } = connector;
  await end(connector.process);
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
    await data.db.deleteFrom('connectorCertificate').where('connectorId', '=', connectorId).execute();
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
    await bed.restartService();
    return thumbprint;
  }
}
