import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { loadIdentity } from '@postern/connector/identity/identity';
import { readServiceSettings } from '@postern/connector/identity/service-settings';
import { registerConnector } from '@postern/connector/register';
import { sha256Of, splitCertificates } from '@postern/protocol/x509/certificate';
import { openData } from '@postern/server/operate/open-data';
import { type Authorities, openAuthorities } from '@postern/server/registration/authorities';
import { revocationListUrl } from '@postern/server/registration/revocation-lists';
import { ageIdentity } from '../testbed/age-identity.ts';
import { CommandLine } from '../testbed/command-line.ts';
import { RawBackend } from '../testbed/raw-backend.ts';
import { end, freePorts, readAll, startTestbed, type Testbed } from '../testbed/testbed.ts';

const profile = '/onPremisesPublishingProfiles/applicationProxy';

let backend: RawBackend;
let bed: Testbed;
let httpPort: number;

before(async () => {
  backend = await RawBackend.start();
  [httpPort] = (await freePorts(1)) as [number];
  bed = await startTestbed({
    applications: [{ name: 'open', internalUrl: backend.url, passthrough: true }],
    connectors: 2,
    httpPort,
  });
});

after(async () => {
  await bed?.[Symbol.asyncDispose]();
  await backend?.[Symbol.asyncDispose]();
});

interface AuthorityShown {
  readonly name: string;
  readonly state: string;
  readonly sha256: string;
  readonly waitsFor: readonly { readonly machineName: string }[];
}

async function authorities(name: string, action = ''): Promise<AuthorityShown[]> {
  const path = `${profile}/certificateAuthorities${action}`;
  const { status, body } = await bed.api(action === '' ? 'GET' : 'POST', path);
  assert.equal(status, 200, JSON.stringify(body));
  return (body as { value: AuthorityShown[] }).value.filter(one => one.name === name);
}

const statesOf = (list: readonly AuthorityShown[]) => list.map(({ state }) => state);

/** The authorities as the store of the service has them. */
async function readAuthorities<T>(use: (authorities: Authorities) => T): Promise<T> {
  await using data = await openData(bed.config, {});
  return use(await openAuthorities({ secrets: data.secrets, domain: bed.domain, now: Date.now }));
}

/** The certificate that connectors see. */
async function shownToConnectors(): Promise<X509Certificate> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port: bed.port,
    servername: `connect.${bed.domain}`,
    ALPNProtocols: ['postern/1'],
    rejectUnauthorized: false,
  });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerX509Certificate()!;
  socket.on('error', () => {}).destroy();
  return certificate;
}

function isIssuedBy(certificate: X509Certificate, authority: string): boolean {
  return certificate.verify(new X509Certificate(authority).publicKey);
}

async function assertServed(): Promise<void> {
  const host = bed.hostOf('open');
  const answer = await bed.exchange(host, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  assert.match(answer, /^HTTP\/1\.1 200 /);
}

async function certificateOf(connector: number): Promise<X509Certificate> {
  const { pairs } = await loadIdentity(bed.connectors[connector]!.dataDir, Date.now());
  return new X509Certificate(pairs[0]!.certificate);
}

describe("the service's own authority is exchanged, and strands nobody", () => {
  let former: string;

  test('the next one is announced to those that are connected, and waits for those that are not', async () => {
    const [connected, away] = bed.connectors;
    former = await readAuthorities(({ service }) => service.certificate);
    await end(away!.process);

    const rotated = await authorities('service', '/service/rotate');
    await connected!.log.until('"anchors_changed"');

    assert.deepEqual(statesOf(rotated), ['signing', 'announced']);
    assert.equal((await readServiceSettings(connected!.dataDir))!.anchors.length, 2);
    assert.equal((await readServiceSettings(away!.dataDir))!.anchors.length, 1);
    while ((await authorities('service'))[1]!.waitsFor.length > 1);
    const [, announced] = await authorities('service');
    assert.deepEqual(
      announced!.waitsFor.map(({ machineName }) => machineName),
      ['connector-1'],
    );
    assert.ok(isIssuedBy(await shownToConnectors(), former));
  });

  test('a crash of the service half-way changes nothing', async () => {
    await bed.restartService();

    assert.deepEqual(statesOf(await authorities('service')), ['signing', 'announced']);
    assert.ok(isIssuedBy(await shownToConnectors(), former));
  });

  test('it signs when the last one has connected; tunnels that are up stay', async () => {
    const [connected, away] = bed.connectors;
    await connected!.restart();

    await away!.restart();
    await bed.log.until('"step":"signing"');

    assert.deepEqual(statesOf(await authorities('service')), ['former', 'signing']);
    const now = await readAuthorities(({ service }) => service.certificate);
    while (!isIssuedBy(await shownToConnectors(), now));
    assert.equal(isIssuedBy(await shownToConnectors(), former), false);
    assert.doesNotMatch(connected!.log.text, /tunnel_lost/);
    await assertServed();
  });

  test('every connector finds its service again, after restarts of both', async () => {
    await bed.restartService();
    for (const connector of bed.connectors) await connector.restart();

    await assertServed();
  });
});

describe('the registration authority is exchanged, and nobody has to register again', () => {
  let old: string;

  test('at once, since every relay trusts the next one before it signs', async () => {
    old = await readAuthorities(({ registration }) => registration.certificate);
    // Due to be renewed, by whoever signs when it comes back.
    await ageIdentity(bed, bed.connectors[0]!, 130);

    using commandLine = await CommandLine.signIn(bed);
    const rotated = (await commandLine.run(['ca', 'rotate', 'registration'])) as AuthorityShown[];
    const listed = (await commandLine.run(['ca', 'list'])) as AuthorityShown[];

    assert.deepEqual(statesOf(rotated.filter(({ name }) => name === 'registration')), ['former', 'signing']);
    assert.deepEqual(listed, rotated);
    const now = await readAuthorities(({ registration }) => registration.certificate);
    assert.notEqual(now, old);
  });

  test('a certificate of the former one is accepted, and renewed by the present one', async () => {
    const [connector] = bed.connectors;
    assert.ok(isIssuedBy(await certificateOf(0), old));

    await connector!.restart();
    await connector!.log.until('"certificate_renewed"');

    const now = await readAuthorities(({ registration }) => registration.certificate);
    assert.ok(isIssuedBy(await certificateOf(0), now));
    await connector!.restart();
    await assertServed();
  });

  test('one that has nothing to renew goes on with what it has; one that registers gets a certificate of the present one', async () => {
    const [, connector] = bed.connectors;
    await connector!.restart();
    assert.ok(isIssuedBy(await certificateOf(1), old));
    const formerPair = await certificateOf(1);

    const registered = await registerConnector({
      service: `${bed.domain}:${bed.port}`,
      token: () => bed.token(),
      dataDir: connector!.dataDir,
      machineName: 'connector-1',
      caFile: bed.caFile,
      key: 'p384',
    });
    await connector!.restart();

    assert.equal(registered.connectorId, connector!.id);
    assert.notEqual((await certificateOf(1)).fingerprint256, formerPair.fingerprint256);
    const now = await readAuthorities(({ registration }) => registration.certificate);
    assert.ok(isIssuedBy(await certificateOf(1), now));
  });

  test('what each of them has revoked is in a list of its own', async () => {
    const [, connector] = bed.connectors;
    const { status } = await bed.api('POST', `${profile}/connectors/${connector!.id}/revoke`);
    assert.equal(status, 204);

    // Both certificates of it are revoked: the one of before, and the one of now.
    const signers = await readAuthorities(({ rotating }) => rotating.registration.all);
    assert.equal(signers.length, 2);
    const paths = new Set<string>();
    for (const { certificate } of signers) {
      const path = new URL(revocationListUrl(certificate, bed.domain)).pathname;
      paths.add(path);
      while ((await fetchList(path)).length < 1);
    }
    assert.equal(paths.size, 2);
  });

  /** Serial numbers of a list. */
  async function fetchList(path: string): Promise<string[]> {
    const socket = net.connect({ host: '127.0.0.1', port: httpPort });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: connect.${bed.domain}\r\nConnection: close\r\n\r\n`);
    const answer = await readAll(socket);
    assert.match(answer, /^HTTP\/1\.1 200 /);
    const der = Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4), 'latin1');
    const list = execFileSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], { input: der });
    return Array.from(list.toString().matchAll(/Serial Number: ([0-9A-F]+)/g), ([, serial]) => serial!);
  }
});

test('the authority that people trust stands beside the next one in their file, before that signs', async () => {
  using commandLine = await CommandLine.signIn(bed);

  const rotated = (await commandLine.run(['ca', 'rotate', 'local'])) as AuthorityShown[];

  const local = rotated.filter(({ name }) => name === 'local');
  assert.deepEqual(statesOf(local), ['signing', 'announced']);
  const trusted = splitCertificates(readFileSync(bed.caFile, 'utf8'));
  assert.deepEqual(
    trusted.map(pem => sha256Of(new X509Certificate(pem))),
    local.map(({ sha256 }) => sha256),
  );
  await assertServed();
});
