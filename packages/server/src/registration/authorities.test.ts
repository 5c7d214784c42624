import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { createServer, connect as tlsConnect } from 'node:tls';
import { keyUsageOids } from '@postern/protocol/x509/certificate';
import { createTunnelTrust, leafMs, openAuthorities, type SecretStore } from './authorities.ts';
import { writeLocalCertificates } from './local-certificates.ts';
import { createAuthority, openSigner } from './signer.ts';

const start = Date.UTC(2026, 0, 1);

function secretsInMemory(): SecretStore & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>();
  return {
    kept,
    seal: async (name, secret) => void kept.set(name, secret),
    unseal: async name => (kept.has(name) ? Buffer.from(kept.get(name)!) : null),
  };
}

test('authorities are made once and are the same after a restart', async () => {
  const secrets = secretsInMemory();
  const parts = { secrets, domain: 'example.com', now: () => start };

  const first = await openAuthorities(parts);
  const second = await openAuthorities(parts);

  assert.equal(second.registration.certificate, first.registration.certificate);
  assert.equal(second.service.certificate, first.service.certificate);
  assert.equal(second.local.certificate, first.local.certificate);
  const registration = new X509Certificate(first.registration.certificate);
  assert.equal(registration.subject, 'CN=connectorregistrationca.example.com');
  assert.equal(registration.signatureAlgorithm, 'sha512WithRSAEncryption');
  assert.equal(registration.ca, true);
});

test('an authority that cannot be read is not replaced', async () => {
  const secrets = secretsInMemory();
  const parts = { secrets, domain: 'example.com', now: () => start };
  await openAuthorities(parts);
  const [registration, service] = [secrets.kept.get('registration-ca')!, secrets.kept.get('service-ca')!];

  for (const broken of ['', '{}', 'null', registration.slice(0, -20)]) {
    secrets.kept.set('registration-ca', broken);
    await assert.rejects(openAuthorities(parts));
    assert.equal(secrets.kept.get('registration-ca'), broken);
  }
  secrets.kept.set(
    'registration-ca',
    JSON.stringify({ ...JSON.parse(registration), privateKey: JSON.parse(service).privateKey }),
  );
  await assert.rejects(openAuthorities(parts), /does not belong to its certificate/);
});

test('the tunnel listener gets a back-dated leaf that is renewed after two thirds of its life', async () => {
  let now = start;
  const authorities = await openAuthorities({
    secrets: secretsInMemory(),
    domain: 'example.com',
    now: () => now,
  });
  const tunnelTrust = createTunnelTrust(authorities, 'example.com', () => now);

  const first = await tunnelTrust();
  assert.deepEqual(await tunnelTrust(), first);
  now += (leafMs * 2) / 3 - 60_000;
  assert.equal((await tunnelTrust()).certificate, first.certificate);
  now += 60_000;
  const second = await tunnelTrust();

  assert.notEqual(second.certificate, first.certificate);
  const leaf = new X509Certificate(first.certificate);
  assert.equal(leaf.validFromDate.getTime(), start - 48 * 3_600_000);
  assert.equal(leaf.checkHost('connect.example.com'), 'connect.example.com');
  assert.equal(leaf.checkHost('login.example.com'), undefined);
  assert.deepEqual(leaf.keyUsage, [keyUsageOids.serverAuth]);
  assert.deepEqual(first.clientAuthorities, [authorities.registration.certificate]);
});

test('local certificates are written, kept, renewed and repaired', async t => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'postern-local-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const authority = openSigner(await createAuthority('p384', 'Postern local CA for x.localhost', start));
  const alone = { all: [authority], current: authority, former: [] };
  const write = (now: number) => writeLocalCertificates(alone, 'x.localhost', dataDir, now);
  const read = (file: string) => readFileSync(file, 'utf8');

  const files = await write(start);
  const first = read(files.certificateFile);
  assert.equal(files.authorityFile, path.join(dataDir, 'certificates', 'local-ca.pem'));
  assert.equal(files.certificateFile, path.join(dataDir, 'certificates', 'local-x.localhost.pem'));
  assert.equal(read(files.authorityFile), authority.certificate);
  assert.equal(statSync(files.keyFile).mode & 0o777, 0o600);
  assert.equal(statSync(path.dirname(files.keyFile)).mode & 0o777, 0o700);

  await write(start + leafMs / 2);
  assert.equal(read(files.certificateFile), first, 'kept while two thirds of its life are not over');
  await write(start + leafMs * 0.7);
  const renewed = read(files.certificateFile);
  assert.notEqual(renewed, first);

  writeFileSync(files.keyFile, 'garbage');
  await write(start + leafMs * 0.7);
  assert.notEqual(read(files.certificateFile), renewed, 'a broken key is replaced with its certificate');
  assert.equal(
    new X509Certificate(read(files.certificateFile)).checkHost('wiki.x.localhost'),
    '*.x.localhost',
  );
});

test('a TLS client that trusts the local authority accepts every name of the domain', async t => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'postern-local-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const authority = openSigner(await createAuthority('p384', 'Postern local CA for x.test', Date.now()));
  const alone = { all: [authority], current: authority, former: [] };
  const files = await writeLocalCertificates(alone, 'x.test', dataDir, Date.now());
  const server = createServer({
    cert: readFileSync(files.certificateFile),
    key: readFileSync(files.keyFile),
  });
  server.on('secureConnection', socket => socket.end());
  t.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;

  for (const servername of ['x.test', 'login.x.test']) {
    const socket = tlsConnect({ port, host: '127.0.0.1', servername, ca: authority.certificate });
    await once(socket, 'secureConnect');
    assert.equal(socket.authorized, true);
    socket.destroy();
  }
});
