import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { loadIdentity } from '@postern/connector/identity/identity';
import { openData } from '@postern/server/operate/open-data';
import { openAuthorities } from '@postern/server/registration/authorities';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const run = promisify(execFile);
const profile = '/onPremisesPublishingProfiles/applicationProxy';
const inside = 'inside';

// Certificates name port 80, which belongs to whoever else runs on this machine: this file runs itself again where
// nobody else does.
if (process.argv[2] !== inside) {
  test('the list of revoked certificates, on port 80 of a network of its own', async () => {
    const { NODE_TEST_CONTEXT: _runner, ...environment } = process.env;
    const command = [process.execPath, import.meta.filename, inside];
    const script = 'ip link set lo up && exec "$0" "$@"';
    const child = spawn('unshare', ['--net', 'sh', '-c', script, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment,
    });
    const [output, complaint, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    assert.equal(code, 0, `${output}${complaint}`);
  });
} else {
  describe('what is revoked is in a list that others can check', whole);
}

function whole(): void {
  let bed: Testbed;
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-revocation-'));
  const file = (name: string) => path.join(folder, name);

  before(async () => {
    bed = await startTestbed({ applications: [], connectors: 2, httpPort: 80 });
    await using data = await openData(bed.config, {});
    const { secrets } = data;
    const authorities = await openAuthorities({ secrets, domain: bed.domain, now: Date.now });
    writeFileSync(file('ca.pem'), authorities.registration.certificate);
    for (const [at, { dataDir }] of bed.connectors.entries()) {
      const { pairs } = await loadIdentity(dataDir, Date.now());
      writeFileSync(file(`${at}.pem`), pairs[0]!.certificate);
    }
  });
  after(async () => {
    await bed?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Gets the list from where a certificate says that it is, as PEM for OpenSSL. @returns what OpenSSL says of it. */
  async function fetchList(certificate: string): Promise<string> {
    const { stdout: extension } = await run('openssl', [
      ...['x509', '-in', file(certificate), '-noout', '-ext', 'crlDistributionPoints'],
    ]);
    const url = /URI:(\S+)/.exec(extension)?.[1] ?? '';
    assert.match(url, /^http:\/\/connect\.bed\.localhost\/crl\/[0-9a-f]{16}\.crl$/);
    await run('curl', ['--silent', '--show-error', '--fail', '--output', file('list.der'), url]);
    const { stdout, stderr } = await run('openssl', [
      ...['crl', '-inform', 'DER', '-in', file('list.der'), '-out', file('list.pem'), '-text'],
      ...['-verify', '-CAfile', file('ca.pem')],
    ]);
    assert.match(stderr, /verify OK/);
    return stdout || readFileSync(file('list.pem'), 'utf8');
  }

  /** What OpenSSL says of a certificate in the light of the list. */
  async function verify(certificate: string): Promise<string> {
    const { stdout, stderr } = await run('openssl', [
      ...['verify', '-purpose', 'sslclient', '-crl_check', '-CAfile', file('ca.pem')],
      ...['-CRLfile', file('list.pem'), file(certificate)],
    ]).catch((error: unknown) => error as { stdout: string; stderr: string });
    return `${stdout}${stderr}`;
  }

  async function serialOf(certificate: string): Promise<string> {
    const { stdout } = await run('openssl', ['x509', '-in', file(certificate), '-noout', '-serial']);
    return stdout.trim().replace('serial=', '');
  }

  test('before, nobody is in it, and both certificates are good', async () => {
    const list = await fetchList('0.pem');

    assert.match(list, /No Revoked Certificates/);
    assert.match(await verify('0.pem'), /0\.pem: OK/);
    assert.match(await verify('1.pem'), /1\.pem: OK/);
  });

  test('after, the serial number of the one that was revoked is, and of no other', async () => {
    const { id } = bed.connectors[0]!;
    const { status } = await bed.api('POST', `${profile}/connectors/${id}/revoke`);
    assert.equal(status, 204);

    let list = await fetchList('0.pem');
    // The list follows the revocation, and nothing tells when.
    while (list.includes('No Revoked Certificates')) list = await fetchList('0.pem');

    assert.deepEqual(
      Array.from(list.matchAll(/Serial Number: ([0-9A-F]+)/g), ([, serial]) => serial),
      [await serialOf('0.pem')],
    );
    assert.match(await verify('0.pem'), /certificate revoked/);
    assert.match(await verify('1.pem'), /1\.pem: OK/);
  });

  test('a path that is no list is nobody’s', async () => {
    const { stdout } = await run('curl', [
      ...['--silent', '--output', '/dev/null', '--write-out', '%{http_code}'],
      'http://connect.bed.localhost/crl/0000000000000000.crl',
    ]);

    assert.notEqual(stdout, '200');
  });
}
