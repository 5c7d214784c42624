import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { sha256Of } from '@postern/protocol/x509/certificate';
import { issueServerLeaf } from '@postern/server/registration/authorities';
import { issueTrustCertificate } from '@postern/server/registration/issue';
import { type AuthorityMaterial, createAuthority, openSigner } from '@postern/server/registration/signer';
import { RunningConnector } from '../../testing/running-connector.ts';
import { domain, type ServiceTunnel, TestService } from '../../testing/test-service.ts';
import { registerConnector } from '../register.ts';
import type { RunOptions } from '../run.ts';
import { type CertificatePair, findPair, saveNewKey, storeFolder } from './certificate-store.ts';
import { loadIdentity } from './identity.ts';
import { createKey, type KeyKind } from './proof.ts';
import { readServiceSettings } from './service-settings.ts';
import { readTrustSettings, writeTrustSettings } from './trust-settings.ts';

const dayMs = 86_400_000;
const timing = { trustTiming: { renewalRetryMs: 20, filesCheckMs: 20 } };

let service: TestService;
let dataDir: string;
let connectorId: string;
let count = 0;

before(async () => {
  service = await TestService.start();
});
after(() => service[Symbol.asyncDispose]());

beforeEach(async () => {
  dataDir = service.dataDir(`connector-${++count}`);
  ({ connectorId } = await register());
});

function register() {
  return registerConnector({
    service: `${domain}:${service.registrationPort}`,
    token: 'admin',
    dataDir,
    caFile: service.caFile,
    machineName: 'srv-01',
    key: 'p384',
  });
}

/** Puts a certificate in place of the registered one that the service issued so many days ago. */
async function issuedDaysAgo(days: number, kind: KeyKind = 'p384'): Promise<CertificatePair> {
  const { privateKey } = await createKey(kind);
  const issued = await issueTrustCertificate(service.authorities.registration, {
    publicKey: createPublicKey(privateKey),
    connectorId,
    machineName: 'srv-01',
    now: Date.now() - days * dayMs,
  });
  await service.directory.db
    .insertInto('connectorCertificate')
    .values({ ...issued, connectorId, revokedAt: null })
    .execute();
  rmSync(storeFolder(dataDir, 'machine'), { recursive: true });
  const pending = await saveNewKey(dataDir, 'machine', privateKey);
  const pair = await pending.complete(issued.pem);
  await writeTrustSettings(dataDir, { thumbprint: pair.thumbprint, isInUserStore: false });
  return pair;
}

interface Connected extends AsyncDisposable {
  readonly connector: RunningConnector;
  readonly tunnel: ServiceTunnel;
}

/** Runs the connector; its first tunnel is accepted. */
async function connected(options: Partial<RunOptions> = {}): Promise<Connected> {
  const connector = new RunningConnector(dataDir, { ...timing, ...options });
  const tunnel = await service.accept();
  return {
    connector,
    tunnel,
    async [Symbol.asyncDispose]() {
      await connector[Symbol.asyncDispose]();
      await service.quiet();
    },
  };
}

function thumbprintOf(tunnel: ServiceTunnel): string {
  return tunnel.socket.getPeerCertificate().fingerprint.replaceAll(':', '');
}

describe('a certificate that is due', () => {
  for (const kind of ['p384', 'rsa3072'] as const) {
    test(`is renewed with a new ${kind} key; the new tunnel is up before the old one drains`, async () => {
      const old = await issuedDaysAgo(125, kind);
      await using running = await connected();
      const { connector, tunnel } = running;

      await service.renew(tunnel, connectorId);
      const successor = await service.nextTunnel();

      const thumbprint = thumbprintOf(successor);
      assert.notEqual(thumbprint, old.thumbprint);
      const pair = await findPair(dataDir, 'user', thumbprint);
      assert.ok(pair, 'key and certificate are on disk before they are used');
      const { asymmetricKeyType } = createPrivateKey(pair.privateKey);
      assert.equal(asymmetricKeyType, kind === 'p384' ? 'ec' : 'rsa');
      assert.notEqual(pair.privateKey, old.privateKey);
      const before = await readTrustSettings(dataDir);
      assert.deepEqual(before, { thumbprint: old.thumbprint, isInUserStore: false });

      await successor.welcome();
      await connector.logged('certificate_renewed');
      assert.deepEqual(await readTrustSettings(dataDir), { thumbprint, isInUserStore: true });
      assert.deepEqual(
        tunnel.heard.map(({ type }) => type).filter(type => type === 'draining'),
        [],
      );
      await successor.configure();
      await tunnel.hear('draining');

      const { certificate } = await connector.status(one => one.certificate.thumbprint === thumbprint);
      assert.equal(certificate.store, 'user');
      assert.ok(
        existsSync(`${storeFolder(dataDir, 'machine')}/${old.thumbprint}.key`),
        'the old one is kept',
      );
      const { pairs, fallback } = await loadIdentity(dataDir, Date.now());
      assert.deepEqual(
        pairs.map(one => one.thumbprint),
        [thumbprint, old.thumbprint],
      );
      assert.equal(fallback, null);
    });
  }

  test('is left alone before two thirds of its life are over', async () => {
    await issuedDaysAgo(100);
    await using running = await connected({ trustTiming: { renewalCheckMs: 20 } });

    await running.tunnel.configure();
    await running.tunnel.session.ping();

    assert.equal(
      running.tunnel.heard.find(({ type }) => type === 'renew'),
      undefined,
    );
  });

  test('is renewed a day before it expires', async () => {
    await issuedDaysAgo(179);
    await using running = await connected();

    await service.renew(running.tunnel, connectorId);
    await (await service.nextTunnel()).welcome();

    await running.connector.logged('certificate_renewed');
  });

  test('stays in use where the service refuses, with an event, and is renewed later', async () => {
    const old = await issuedDaysAgo(130);
    await using running = await connected();
    const { connector, tunnel } = running;

    const { id } = await tunnel.hear('renew');
    tunnel.say({ type: 'renewed', id, error: { code: 'unavailable', message: 'the disk is full' } });

    const failed = await connector.logged('certificate_renewal_failed');
    assert.equal(failed.id, 1004);
    assert.equal(failed['code'], 'unavailable');
    assert.match(failed.message, /the disk is full\. The present one is valid until/);
    assert.equal((await readTrustSettings(dataDir))?.thumbprint, old.thumbprint);

    await service.renew(tunnel, connectorId, id);
    await (await service.nextTunnel()).welcome();
    await connector.logged('certificate_renewed');
  });

  test('stays in use where no tunnel with the new one is accepted; the new one is tried again before another', async () => {
    const old = await issuedDaysAgo(130);
    await using running = await connected();
    const { connector, tunnel } = running;

    await service.renew(tunnel, connectorId);
    const refused = await service.nextTunnel();
    const thumbprint = thumbprintOf(refused);
    await refused.refuse('unknown_certificate');

    const failed = await connector.logged('certificate_renewal_failed');
    assert.equal(failed['code'], 'not_accepted');
    assert.equal((await readTrustSettings(dataDir))?.thumbprint, old.thumbprint);
    assert.equal(tunnel.session.isClosed, false);

    const again = await service.nextTunnel();
    assert.equal(thumbprintOf(again), thumbprint);
    await again.welcome();
    await connector.logged('certificate_renewed');
    assert.equal(tunnel.heard.filter(({ type }) => type === 'renew').length, 1);
  });

  test('an answer that is no certificate for the new key is not used', async () => {
    const old = await issuedDaysAgo(130);
    await using running = await connected();
    const { connector, tunnel } = running;

    const { id } = await tunnel.hear('renew');
    tunnel.say({ type: 'renewed', id, certificate: old.certificate, issuerCertificates: [] });

    assert.equal((await connector.logged('certificate_renewal_failed'))['code'], 'bad_certificate');
    assert.equal((await readTrustSettings(dataDir))?.thumbprint, old.thumbprint);
  });

  test('is not renewed over a registration that came between', async () => {
    await issuedDaysAgo(130);
    await using running = await connected({
      trustTiming: { renewalRetryMs: 600_000, filesCheckMs: 600_000 },
    });

    await service.renew(running.tunnel, connectorId);
    const successor = await service.nextTunnel();
    const { thumbprint } = await register();
    await successor.welcome();

    assert.equal((await running.connector.logged('certificate_renewal_failed'))['code'], 'superseded');
    assert.deepEqual(await readTrustSettings(dataDir), { thumbprint, isInUserStore: false });
  });
});

describe('an expired certificate', () => {
  test('is announced with event 1000 and leaves the process up; registering again needs no restart', async () => {
    const expired = await issuedDaysAgo(181);
    const connector = new RunningConnector(dataDir, timing);
    await using _ = connector;
    const first = await service.nextTunnel();
    await first.refuse('expired');

    const event = await connector.logged('certificate_expired');
    assert.equal(event.id, 1000);
    assert.equal(event.level, 'error');
    assert.equal(
      event.message,
      'Connector re-registration failed: The Connector trust certificate expired. Run `postern connector register` on the computer on which the Connector is running to re-register your Connector.',
    );
    assert.equal(event['thumbprint'], expired.thumbprint);
    await connector.status(({ state, isRunning }) => state === 'expired' && isRunning);
    const { retryInMs } = await connector.logged('tunnel_refused');
    assert.ok(Number(retryInMs) > 3_000_000 && Number(retryInMs) < 4_000_000, `in ${retryInMs} ms`);

    const { thumbprint } = await register();
    const tunnel = await service.accept();

    assert.equal(thumbprintOf(tunnel), thumbprint);
    await connector.status(({ state }) => state === 'connected');
    assert.equal((await connector.logged('identity_changed'))['thumbprint'], thumbprint);
    assert.equal(connector.lines.filter(line => line.event === 'certificate_expired').length, 1);
    await connector[Symbol.asyncDispose]();
    await service.quiet();
  });

  test('gives way to a valid one of either store', async () => {
    const expired = await issuedDaysAgo(181);
    const { thumbprint } = await register();
    await writeTrustSettings(dataDir, { thumbprint: expired.thumbprint, isInUserStore: false });

    await using running = await connected();

    assert.equal(thumbprintOf(running.tunnel), thumbprint);
    assert.match((await running.connector.logged('certificate_fallback')).message, /has expired/);
  });
});

describe('a new identity', () => {
  test('is used by a connector that is up; its old tunnel goes on until the new one carries requests', async () => {
    await using running = await connected();
    const { thumbprint } = await register();

    const successor = await service.accept();
    assert.equal(thumbprintOf(successor), thumbprint);
    assert.equal(running.tunnel.session.isClosed, false);
    await successor.configure();

    await running.tunnel.hear('draining');
    await running.tunnel.closed;
    await running.connector.status(one => one.certificate.thumbprint === thumbprint);
  });
});

describe('a clock that differs from the service’s', () => {
  test('by hours is said, and keeps nobody from connecting', async () => {
    const connector = new RunningConnector(dataDir, timing);
    await using _ = connector;
    const tunnel = await service.nextTunnel();
    await tunnel.welcome(Date.now() - 5 * 3_600_000);

    const { id, message } = await connector.logged('clock_wrong');
    assert.equal(id, 1006);
    assert.match(message, /5 hours ahead of the service's/);
    await connector.status(({ state }) => state === 'connected');
    await connector[Symbol.asyncDispose]();
    await service.quiet();
  });

  test('is not believed when it says that a certificate is due', async () => {
    await issuedDaysAgo(125);
    const connector = new RunningConnector(dataDir, timing);
    await using _ = connector;
    const tunnel = await service.nextTunnel();
    // To the service, 95 days have gone by.
    await tunnel.welcome(Date.now() - 30 * dayMs);

    await connector.logged('clock_wrong');
    await tunnel.configure();
    assert.equal(
      tunnel.heard.find(({ type }) => type === 'renew'),
      undefined,
    );
    await connector[Symbol.asyncDispose]();
    await service.quiet();
  });
});

describe('the warning that a certificate expires', () => {
  test('goes by the service’s clock where that of this machine is wrong', async () => {
    await issuedDaysAgo(140);
    const connector = new RunningConnector(dataDir, timing);
    await using _ = connector;
    const tunnel = await service.nextTunnel();
    // By this machine 40 days are left, by the service 25.
    await tunnel.welcome(Date.now() + 15 * dayMs);

    const { expiresInDays } = await connector.logged('certificate_expires_soon');
    assert.equal(expiresInDays, 25);
    await connector[Symbol.asyncDispose]();
    await service.quiet();
  });

  test('comes by this machine’s clock where the service cannot be asked', async () => {
    await issuedDaysAgo(155);
    await service.cut();
    const connector = new RunningConnector(dataDir, timing);
    await using _ = connector;

    const { expiresInDays } = await connector.logged('certificate_expires_soon');
    assert.equal(expiresInDays, 25);
    await connector[Symbol.asyncDispose]();
    await service.listen();
  });
});

describe('the authorities that the service announces for itself', () => {
  const fingerprintsOf = (anchors: readonly string[]) =>
    anchors.map(pem => sha256Of(new X509Certificate(pem)));
  let next: AuthorityMaterial;
  let leaf: string;
  before(async () => {
    next = await createAuthority('p384', 'next', Date.now());
    ({ certificate: leaf } = await issueServerLeaf(openSigner(next), ['x.test'], Date.now()));
  });

  async function anchorsOnDisk(): Promise<string[]> {
    return fingerprintsOf((await readServiceSettings(dataDir))!.anchors);
  }

  test('are on disk before the connector says so, and a new one is accepted without another registration', async () => {
    const own = service.authorities.service.certificate;
    await using running = await connected();
    const { connector, tunnel } = running;

    tunnel.say({ type: 'anchors', anchors: [own, next.certificate] });
    const { anchors } = await tunnel.hear('anchors-kept');

    assert.deepEqual(anchors, fingerprintsOf([own, next.certificate]));
    assert.deepEqual(await anchorsOnDisk(), anchors);
    assert.equal((await connector.logged('anchors_changed')).id, 1007);
    assert.equal(tunnel.session.isClosed, false, 'the tunnel stays');

    await service.cut();
    await service.listen(await issueServerLeaf(openSigner(next), [`connect.${domain}`], Date.now()));
    const successor = await service.accept();
    successor.say({ type: 'anchors', anchors: [next.certificate] });
    await successor.hear('anchors-kept');
    assert.deepEqual(await anchorsOnDisk(), fingerprintsOf([next.certificate]));
    assert.equal(connector.lines.filter(({ event }) => event === 'identity_changed').length, 0);
    await connector[Symbol.asyncDispose]();
    await service.cut();
    await service.listen();
  });

  test('are confirmed and not written again where they are the same', async () => {
    await using running = await connected();
    const { connector, tunnel } = running;

    tunnel.say({ type: 'anchors', anchors: [service.authorities.service.certificate] });
    await tunnel.hear('anchors-kept');

    assert.equal(connector.lines.filter(({ event }) => event === 'anchors_changed').length, 0);
  });

  const unusable: readonly [name: string, code: string, announce: () => unknown][] = [
    ['would not accept this very service', 'strange_anchors', () => [next.certificate]],
    ['are none', 'bad_anchors', () => []],
    ['are no list', 'bad_anchors', () => ({ length: 1 })],
    ['are no certificates', 'bad_anchors', () => [service.authorities.service.certificate, 'x']],
    ['may not issue certificates', 'bad_anchors', () => [service.authorities.service.certificate, leaf]],
    ['are too many', 'bad_anchors', () => Array(17).fill(service.authorities.service.certificate)],
  ];
  for (const [name, code, announce] of unusable) {
    test(`are not used where they ${name}`, async () => {
      const before = await anchorsOnDisk();
      await using running = await connected();
      const { connector, tunnel } = running;

      tunnel.say({ type: 'anchors', anchors: announce() });

      const event = await connector.logged('anchors_refused');
      assert.deepEqual([event.id, event['code']], [1008, code]);
      assert.deepEqual(await anchorsOnDisk(), before);
      await tunnel.session.ping();
      assert.equal(
        tunnel.heard.find(({ type }) => type === 'anchors-kept'),
        undefined,
      );
    });
  }

  test('are confirmed only when they could be written, and tried again until then', async () => {
    const own = service.authorities.service.certificate;
    await using running = await connected({ trustTiming: { ...timing.trustTiming, anchorsRetryMs: 20 } });
    const { connector, tunnel } = running;
    const file = path.join(dataDir, 'Config', 'service.json');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, '{');

    tunnel.say({ type: 'anchors', anchors: [own, next.certificate] });
    assert.equal((await connector.logged('anchors_refused'))['code'], 'files');
    writeFileSync(file, before);
    await tunnel.hear('anchors-kept');

    assert.equal((await anchorsOnDisk()).length, 2);
  });
});
