import assert from 'node:assert/strict';
import { hash, X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { TestAuthority } from '../domains/test-authority.ts';
import { listApplicationCredentials, listSecretsOfClient } from '../store/application-credentials.ts';
import {
  addApplicationCredential,
  addCertificateCredential,
  recordCredentialUse,
  removeApplicationCredential,
} from './application-credentials.ts';
import { configurePublishing, createApplication, deleteApplication } from './applications.ts';
import { openDirectoryForTests } from './directory-for-tests.ts';

const yearMs = 365 * 86_400_000;

async function openWithApplication() {
  const opened = await openDirectoryForTests();
  const { id } = await createApplication(opened.directory, { displayName: 'Files' });
  await configurePublishing(opened.directory, id, { internalUrl: 'http://files.corp.example/' });
  opened.takeChanges();
  return { ...opened, id, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() };
}

describe('credentials of an application', () => {
  test('have 256 bits, of which the hash is stored and told to relays, and work for a year', async () => {
    await using opened = await openWithApplication();

    const { row, secret } = await addApplicationCredential(opened.directory, opened.id, {
      displayName: 'backup',
    });

    assert.match(secret, /^[0-9a-f]{64}$/);
    assert.equal(row.secretHash, hash('sha256', secret, 'base64url'));
    assert.equal(row.expiresAt, opened.clock.now + yearMs);
    const [change] = opened.takeChanges();
    assert.ok(change?.set === 'applications' && 'put' in change);
    const { id, clientId, displayName, secretHash, expiresAt } = row;
    assert.deepEqual(change.put.credentials, [{ id, clientId, displayName, secretHash, expiresAt }]);
    assert.ok(!JSON.stringify([change, row]).includes(secret));
  });

  test('of one client share its id and its name, and no client of another application', async () => {
    await using opened = await openWithApplication();
    const first = await addApplicationCredential(opened.directory, opened.id, { displayName: 'backup' });
    const other = await createApplication(opened.directory, { displayName: 'Other' });
    const { clientId } = first.row;

    const second = await addApplicationCredential(opened.directory, opened.id, { clientId });

    assert.equal(second.row.clientId, clientId);
    assert.equal(second.row.displayName, 'backup');
    assert.notEqual(second.secret, first.secret);
    await assert.rejects(addApplicationCredential(opened.directory, other.id, { clientId }), {
      code: 'invalid',
      property: 'clientId',
    });
  });

  test('end in the future and within two years', async () => {
    await using opened = await openWithApplication();
    const { now } = opened.clock;

    for (const expiresAt of [now, now - 1, now + 2 * yearMs + 1]) {
      await assert.rejects(addApplicationCredential(opened.directory, opened.id, { expiresAt }), {
        code: 'invalid',
        property: 'endDateTime',
      });
    }
    await addApplicationCredential(opened.directory, opened.id, { expiresAt: now + 2 * yearMs });
  });

  test('are removed by name of the application, and go with it', async () => {
    await using opened = await openWithApplication();
    const { directory, id } = opened;
    const other = await createApplication(directory, { displayName: 'Other' });
    const one = await addApplicationCredential(directory, id, {});
    await addApplicationCredential(directory, id, {});

    await assert.rejects(removeApplicationCredential(directory, other.id, one.row.id, 'secret'), {
      code: 'not_found',
    });
    await removeApplicationCredential(directory, id, one.row.id, 'secret');
    await assert.rejects(removeApplicationCredential(directory, id, one.row.id, 'secret'), {
      code: 'not_found',
    });
    assert.equal((await listApplicationCredentials(directory.db, id)).length, 1);
    await deleteApplication(directory, id);

    assert.deepEqual(await directory.db.selectFrom('applicationCredential').selectAll().execute(), []);
  });

  test('say when they were used, which relays need not hear', async () => {
    await using opened = await openWithApplication();
    const { row } = await addApplicationCredential(opened.directory, opened.id, {});
    opened.takeChanges();
    opened.clock.now += 5_000;

    await recordCredentialUse(opened.directory, row.id);

    const [used] = await listApplicationCredentials(opened.directory.db, opened.id);
    assert.equal(used?.lastUsedAt, opened.clock.now);
    assert.deepEqual(opened.takeChanges(), []);
  });

  test('may be certificates, told to relays by their hash, which end when those do', async () => {
    await using opened = await openWithApplication();
    using authority = new TestAuthority();
    const { directory, id } = opened;
    const certificate = new X509Certificate(authority.issue({ names: [], use: 'clientAuth' }).certificate);
    const secret = await addApplicationCredential(directory, id, { displayName: 'backup' });
    const { clientId } = secret.row;
    opened.clock.now = Date.now();

    const row = await addCertificateCredential(directory, id, certificate, { clientId });

    const certificateSha256 = hash('sha256', certificate.raw, 'hex').toUpperCase();
    const expiresAt = certificate.validToDate.getTime();
    const change = opened.takeChanges().at(-1);
    assert.ok(change?.set === 'applications' && 'put' in change);
    assert.deepEqual(change.put.credentials?.[1], {
      ...{ id: row.id, clientId, displayName: 'backup', secretHash: '', expiresAt, certificateSha256 },
    });
    await assert.rejects(addCertificateCredential(directory, id, certificate, {}), { code: 'conflict' });
    await assert.rejects(removeApplicationCredential(directory, id, row.id, 'secret'), { code: 'not_found' });
    await assert.rejects(removeApplicationCredential(directory, id, secret.row.id, 'certificate'), {
      code: 'not_found',
    });
    assert.deepEqual(
      (await listSecretsOfClient(directory.db, clientId)).map(one => one.id),
      [secret.row.id],
    );
    await removeApplicationCredential(directory, id, row.id, 'certificate');
    opened.clock.now = expiresAt;
    await assert.rejects(addCertificateCredential(directory, id, certificate, {}), {
      code: 'invalid',
      property: 'key',
    });
  });
});
