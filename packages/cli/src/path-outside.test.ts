import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { outboundFrom } from '@postern/outbound/outbound';
import { type OutsideHop, walkOutside } from './path-outside.ts';
import { parseServiceAddress } from './service-address.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-outside-'));
const dayMs = 24 * 3_600_000;
const service = parseServiceAddress('bed.localhost');
const servers: net.Server[] = [];
let cert = '';
let port = 0;
let strangerPort = 0;
let plainPort = 0;
let closedPort = 0;

before(async () => {
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];
  const names = ['-subj', '/CN=bed.localhost', '-addext', 'subjectAltName=DNS:*.bed.localhost'];
  execFileSync('openssl', ['req', '-x509', ...ec, ...names, '-keyout', 'key.pem', '-out', 'cert.pem'], {
    cwd: folder,
    stdio: 'pipe',
  });
  cert = readFileSync(path.join(folder, 'cert.pem'), 'utf8');
  const files = { cert, key: readFileSync(path.join(folder, 'key.pem')) };
  const ours = createServer(files, (_request, response) =>
    response.end('{"service":"postern","domain":"bed.localhost"}'),
  );
  port = await listen(ours);
  strangerPort = await listen(createServer(files, (_request, response) => response.end('hello')));
  plainPort = await listen(net.createServer(socket => socket.on('error', () => {}).end('SSH-2.0-x\r\n')));
  const closed = createServer(files);
  closedPort = await listen(closed);
  await new Promise(done => closed.close(done));
});

after(() => {
  for (const server of servers) {
    if ('closeAllConnections' in server) (server as Server).closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true });
});

async function listen(server: net.Server): Promise<number> {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

interface Change {
  readonly authorities?: readonly string[];
  readonly aheadMs?: number;
  readonly portalOrigin?: string;
}

function walk(address: string, { authorities = [cert], aheadMs = 0, portalOrigin }: Change = {}) {
  return walkOutside(new URL(address), {
    service: portalOrigin === undefined ? service : { ...service, portalOrigin },
    authorities,
    outbound: outboundFrom({}, {}),
    now: () => performance.now(),
    clock: () => Date.now() + aheadMs,
  });
}

function states(hops: readonly OutsideHop[]): string[] {
  return hops.map(({ hop, state, code }) => `${hop} ${code ?? state}`);
}

const at = (ofPort: number, host = 'wiki.bed.localhost') => `https://${host}:${ofPort}/`;

describe('the way from this machine to the service', () => {
  test('is told step by step, with the days that the certificate has left', async () => {
    const hops = await walk(at(port));

    assert.deepEqual(states(hops), ['dns passed', 'connect passed', 'tls passed', 'service passed']);
    assert.equal(hops[2]!.detail, '*.bed.localhost, 29 days left');
    for (const { startMs, durationMs } of hops) assert.ok(startMs !== null && durationMs !== null);
  });

  test('a name that has no address', async () => {
    const hops = await walk('https://no-such-host.invalid/');

    assert.deepEqual(states(hops), [
      'dns name_not_resolved',
      'connect notRun',
      'tls notRun',
      'service notRun',
    ]);
    assert.match(hops[0]!.remedy!, /Create its DNS record: the same address that portal\.bed\.localhost has/);
  });

  test('a name that leads elsewhere, with what comes of it', async () => {
    const works = await walk(at(port), { portalOrigin: 'https://127.0.0.9' });
    const fails = await walk(at(closedPort), { portalOrigin: 'https://127.0.0.9' });

    assert.deepEqual(states(works)[0], 'dns name_leads_elsewhere');
    assert.equal(works[3]!.state, 'passed');
    assert.deepEqual(states(fails).slice(0, 2), ['dns name_leads_elsewhere', 'connect econnrefused']);
    assert.match(fails[1]!.remedy!, /Correct the DNS record of wiki\.bed\.localhost first/);
  });

  test('nobody who listens, and somebody who speaks no TLS', async () => {
    const refused = await walk(at(closedPort));
    const plain = await walk(at(plainPort));

    assert.equal(refused[1]!.detail, `nothing listens at port ${closedPort}`);
    assert.match(refused[1]!.remedy!, /firewall/);
    assert.equal(states(plain)[2], 'tls tls_failed');
  });

  test('certificates that have expired, are about to, are for others or of strangers', async () => {
    const expired = await walk(at(port), { aheadMs: 31 * dayMs });
    const soon = await walk(at(port), { aheadMs: 20 * dayMs });
    const others = await walk(at(port, 'wiki.other.localhost'));
    const untrusted = await walk(at(port), { authorities: [] });

    assert.equal(states(expired)[2], 'tls certificate_expired');
    assert.match(expired[2]!.remedy!, /postern certificate list/);
    assert.deepEqual([states(soon)[2], soon[2]!.state], ['tls certificate_expires', 'warning']);
    assert.equal(soon[3]!.state, 'passed');
    assert.equal(states(others)[2], 'tls certificate_for_other_name');
    assert.match(others[2]!.detail, /\*\.bed\.localhost/);
    assert.equal(states(untrusted)[2], 'tls certificate_not_trusted');
    assert.match(untrusted[2]!.remedy!, /--ca-file/);
  });

  test('something else that answers', async () => {
    const hops = await walk(at(strangerPort));

    assert.equal(states(hops)[3], 'service other_service');
    assert.equal(hops[3]!.detail, 'what answers there is not this service (200)');
  });
});
