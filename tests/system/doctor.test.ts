import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { type ContextOptions, createContext } from '@postern/connector/doctor/context';
import { runDoctor } from '@postern/connector/doctor/doctor';
import { readServiceSettings, writeServiceSettings } from '@postern/connector/identity/service-settings';
import { type CheckResult, type DoctorReport, doctorReport } from '@postern/protocol/doctor';
import { openData } from '@postern/server/operate/open-data';
import { issueServerLeaf, openAuthorities } from '@postern/server/registration/authorities';
import { createAuthority, openSigner, type Signer } from '@postern/server/registration/signer';
import { type ProxyReply, RawProxy } from '../../packages/outbound/testing/raw-proxy.ts';
import { CommandLine } from '../testbed/command-line.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** A folder in which no connector is registered. */
const emptyDir = mkdtempSync(path.join(tmpdir(), 'postern-doctor-'));
after(() => rmSync(emptyDir, { recursive: true, force: true }));

type Results = ReadonlyMap<string, CheckResult>;

async function examine(
  options: Partial<ContextOptions>,
): Promise<{ report: DoctorReport; results: Results }> {
  const context = await createContext({ dataDir: emptyDir, environment: {}, ...options });
  const report = await runDoctor(context, { limitMs: 60_000 });
  assert.deepEqual(doctorReport.parse(report), report);
  return { report, results: new Map(report.results.map(result => [result.id, result])) };
}

function assertStatus(results: Results, status: CheckResult['status'], ...ids: string[]): void {
  for (const id of ids) assert.equal(results.get(id)?.status, status, JSON.stringify(results.get(id)));
}

function assertFailed(results: Results, id: string, cause: RegExp, remedy: RegExp): void {
  assertStatus(results, 'failed', id);
  assert.match(results.get(id)!.cause, cause);
  assert.match(results.get(id)!.remedy, remedy);
  assert.notEqual(results.get(id)!.command, '', id);
}

/** Listens until the test is over. */
async function listen(server: net.Server, t: { after(end: () => void): void }): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', socket => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as net.AddressInfo).port;
}

describe('a connector that runs', () => {
  let web: Server;
  let bed: Testbed;
  let service: Signer;
  let trusting: Pick<ContextOptions, 'authorities' | 'caFile'>;
  let registered: string;

  before(async () => {
    web = createHttpServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    const { port } = web.address() as net.AddressInfo;
    bed = await startTestbed({
      applications: [{ name: 'wiki', internalUrl: `http://127.0.0.1:${port}/` }],
      users: ['bob'],
    });
    await using data = await openData(bed.config, {});
    ({ service } = await openAuthorities({ secrets: data.secrets, domain: bed.domain, now: Date.now }));
    trusting = { authorities: [bed.ca], caFile: bed.caFile };
    registered = bed.connectors[0]!.dataDir;
  });
  after(async () => {
    await bed?.[Symbol.asyncDispose]();
    web?.close();
  });

  /** The registered connector, as if the service were at another port. */
  async function movedTo(port: number, t: { after(end: () => void): void }): Promise<string> {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-doctor-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    cpSync(registered, folder, { recursive: true });
    rmSync(path.join(folder, 'run'), { recursive: true, force: true });
    const settings = await readServiceSettings(folder);
    await writeServiceSettings(folder, { ...settings!, connectPort: port });
    return folder;
  }

  test('fails in nothing, and what does not apply here reads not run', async () => {
    const { report, results } = await examine({
      ...trusting,
      dataDir: registered,
      accessToken: () => bed.token(),
    });

    // The testbed has no port 80, where the revocation list would be.
    const bad = report.results.filter(one => one.status === 'failed' || one.status === 'warning');
    assert.deepEqual(
      bad.filter(one => one.id !== 'trust.revocation-list'),
      [],
    );
    assert.equal(report.exitCode, 0);
    assert.equal(report.service, `connect.${bed.domain}:${bed.port}`);
    assert.deepEqual(report.restart?.couldHelp, false);
    assertStatus(
      results,
      'passed',
      'connectivity.sign-in-page',
      'connectivity.sign-in-asset',
      'trust.accepted',
    );
    assertStatus(
      results,
      'passed',
      'trust.tunnel',
      'trust.round-trip',
      'administrator.role',
      'backend.answers',
    );
    assertStatus(results, 'passed', 'trust.client-certificate-1.2', 'trust.client-certificate-1.3');
    assert.match(
      results.get('trust.client-certificate-1.2')!.seen,
      /TLSv1\.2 and a certificate signed with sha512/,
    );
    assert.match(
      results.get('trust.client-certificate-1.3')!.seen,
      /TLSv1\.3 and a certificate signed with sha512/,
    );
    assert.match(results.get('backend.answers')!.seen, /status 200/);
    assertStatus(results, 'not_run', 'connectivity.proxy-connect', 'backend.tls');
    // This web server takes no upgrade at "/", which says nothing of other addresses.
    assertStatus(results, 'not_run', 'backend.upgrade');
    assert.match(results.get('backend.upgrade')!.cause, /says nothing of the addresses/);
  });

  test('a web server that takes WebSockets at "/", and one that drops who asks for one', async t => {
    web.on('upgrade', (_request, socket) =>
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    );
    t.after(() => web.removeAllListeners('upgrade'));

    const taken = (await examine({ ...trusting, dataDir: registered })).results;
    web.removeAllListeners('upgrade');
    web.on('upgrade', (_request, socket) => socket.destroy());
    const dropped = (await examine({ ...trusting, dataDir: registered })).results;

    assertStatus(taken, 'passed', 'backend.upgrade');
    assert.match(taken.get('backend.upgrade')!.seen, /status 101/);
    assertStatus(dropped, 'warning', 'backend.upgrade');
    assert.match(dropped.get('backend.upgrade')!.cause, /not the same with "Upgrade: websocket"/);
  });

  test('by its command: a line for each check, or one JSON document, and the exit code', async () => {
    const shown = await command('doctor', '--data', registered, '--ca-file', bed.caFile);
    const json = await command('doctor', '--data', registered, '--ca-file', bed.caFile, '--json');

    assert.equal(shown.code, 0, shown.output);
    assert.match(shown.output, /^passed +\d+ ms {2}connectivity\.service/);
    assert.match(shown.output, /0 failed/);
    assert.equal(doctorReport.parse(JSON.parse(json.output)).exitCode, 0);
  });

  test('by the service, which asks the connector that runs', async () => {
    const [connector] = bed.connectors;
    const path = `/onPremisesPublishingProfiles/applicationProxy/connectors/${connector!.id}/doctor`;

    const answer = await bed.api('POST', path);

    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const report = doctorReport.parse(answer.body);
    assert.equal(report.exitCode, 0, JSON.stringify(report.results.filter(one => one.status === 'failed')));
    assert.equal(report.results.find(one => one.id === 'trust.tunnel')?.status, 'passed');
    assert.equal(report.results.find(one => one.id === 'administrator.token')?.status, 'not_run');
    await connector!.log.until('"event":"doctor_finished"');
  });

  test('by the command line of an administrator, from anywhere', async () => {
    using commandLine = await CommandLine.signIn(bed);
    const { machineName } = (
      (await commandLine.run(['connector', 'list'])) as { id: string; machineName: string }[]
    ).find(one => one.id === bed.connectors[0]!.id)!;

    const document = await commandLine.run(['connector', 'doctor', '--connector', machineName]);
    const shown = await commandLine.print(['connector', 'doctor', '--connector', machineName]);

    assert.equal(doctorReport.parse(document).exitCode, 0);
    assert.match(shown, /^passed +\d+ ms {2}trust\.tunnel /m);
    assert.match(shown, /checks: \d+ passed, 0 failed/);
    await assert.rejects(
      commandLine.run(['connector', 'doctor', '--connector', 'nobody']),
      /ended with 5: [\s\S]*[Nn]o connector/,
    );
  });

  test('an administrator without the role is told which one is missing and who gives it', async () => {
    const { report, results } = await examine({
      ...trusting,
      dataDir: registered,
      accessToken: () => bed.token('bob'),
    });

    assertFailed(
      results,
      'administrator.role',
      /bob.* has no role; only Application Administrator/,
      /Let a Global Administrator give bob/,
    );
    assert.equal(report.exitCode, 30);
  });

  test('a token that is none', async () => {
    const { report, results } = await examine({
      ...trusting,
      dataDir: registered,
      accessToken: async () => 'not-a-token',
    });

    assertFailed(results, 'administrator.account', /does not accept the token/, /postern login/);
    assertStatus(results, 'not_run', 'administrator.role');
    assert.equal(report.exitCode, 30);
    assert.doesNotMatch(JSON.stringify(report), /not-a-token/);
  });

  test('a token goes to nobody whose certificate is not trusted', async () => {
    const { results } = await examine({ dataDir: registered, accessToken: () => bed.token() });

    assertStatus(results, 'warning', 'trust.public-chain');
    assert.match(results.get('trust.public-chain')!.cause, /issued by "Postern local CA for bed\.localhost"/);
    assertFailed(results, 'administrator.account', /could not be asked/, /trust/);
  });

  test('a clock three days ahead, and one three hours behind', async () => {
    const ahead = await examine({ ...trusting, dataDir: registered, now: () => Date.now() + 3 * dayMs });
    const behind = await examine({ ...trusting, dataDir: registered, now: () => Date.now() - 3 * hourMs });

    assertFailed(ahead.results, 'trust.clock', /3 days ahead of the service's/, /Set the clock/);
    assert.equal(ahead.report.exitCode, 20);
    assertStatus(behind.results, 'warning', 'trust.clock');
    assert.match(behind.results.get('trust.clock')!.cause, /3 hours behind the service's\. Tunnels work/);
    assert.equal(behind.report.exitCode, 0);
  });

  test('a port where nobody listens', async t => {
    const server = net.createServer();
    const port = await listen(server, t);
    await new Promise(resolve => server.close(resolve));

    const { report, results } = await examine({ ...trusting, service: `${bed.domain}:${port}` });

    assertFailed(
      results,
      'connectivity.tcp-443',
      /are refused: a firewall rejects them, or nobody listens/,
      /No inbound port is needed/,
    );
    assertStatus(
      results,
      'not_run',
      'connectivity.discovery',
      'trust.tls-1.2',
      'trust.client-certificate-1.3',
    );
    assert.equal(report.exitCode, 10);
  });

  test('a port that takes connections and says nothing', async t => {
    const port = await listen(net.createServer(), t);

    const { report, results } = await examine({ ...trusting, service: `${bed.domain}:${port}` });

    assertFailed(results, 'connectivity.discovery', /takes connections and then says nothing/, /untouched/);
    assertFailed(results, 'trust.tls-1.2', /got no answer: something on the way drops it/, /TLS inspection/);
    assert.equal(report.exitCode, 10);
  });

  test('somebody who speaks no TLS', async t => {
    const server = net.createServer(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const port = await listen(server, t);

    const { report, results } = await examine({ ...trusting, service: `${bed.domain}:${port}` });

    assertFailed(results, 'trust.tls-1.3', /speaks no TLS/, /untouched/);
    assertStatus(results, 'not_run', 'connectivity.discovery');
    assert.match(results.get('connectivity.discovery')!.cause, /group trust/);
    assert.equal(report.exitCode, 20);
  });

  test('a web server that is not the service', async t => {
    const leaf = await issueServerLeaf(service, [bed.domain, `*.${bed.domain}`], Date.now());
    const server = tls.createServer({ cert: leaf.certificate, key: leaf.privateKey }, socket => {
      socket.on('error', () => {});
      socket.end(
        'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html><title>Guest network: please sign in</title></html>',
      );
    });
    const port = await listen(server, t);

    const { report, results } = await examine({ ...trusting, service: `${bed.domain}:${port}` });

    assertFailed(
      results,
      'connectivity.discovery',
      /not this service: a login page of the network/,
      /in a browser on this machine/,
    );
    assert.match(
      results.get('connectivity.discovery')!.seen,
      /a page titled "Guest network: please sign in"/,
    );
    assert.equal(report.exitCode, 10);
  });

  test('an inspector, whose authority is named, and which drops the client certificate', async t => {
    const port = await listen(await inspector('Corp Inspection CA', bed, t), t);

    const before = await examine({ ...trusting, service: `${bed.domain}:${port}` });
    const afterwards = await examine({ ...trusting, dataDir: await movedTo(port, t) });

    for (const { report, results } of [before, afterwards]) {
      assertFailed(
        results,
        'trust.tunnel-chain',
        /TLS is opened on the way: .* issued by "Corp Inspection CA"/,
        /exempt \*\.bed\.localhost from TLS inspection/,
      );
      assertFailed(results, 'trust.client-certificate-1.2', /did not arrive/, /untouched/);
      assertStatus(results, 'passed', 'connectivity.discovery');
      assert.equal(report.exitCode, 20);
    }
    assertStatus(afterwards.results, 'not_run', 'trust.accepted');
  });

  test('a terminator that offers TLS 1.1 only', async t => {
    const leaf = await issueServerLeaf(service, [`connect.${bed.domain}`], Date.now());
    const server = tls.createServer({
      cert: leaf.certificate,
      key: leaf.privateKey,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    server.on('tlsClientError', () => {});
    const port = await listen(server, t);

    const { report, results } = await examine({ ...trusting, service: `${bed.domain}:${port}` });

    assertFailed(results, 'trust.tls-1.2', /does not offer TLS 1\.2/, /exempt/);
    assertFailed(results, 'trust.tls-1.3', /does not offer TLS 1\.3/, /exempt/);
    assertStatus(results, 'not_run', 'trust.client-certificate-1.2', 'connectivity.discovery');
    assert.equal(report.exitCode, 20);
  });

  for (const [title, serviceTime, cause, remedy] of [
    [
      'and nobody tells the time',
      () => null,
      /is not valid today.*told no time/,
      /`date -u` here and on the service/,
    ],
    [
      'while the clocks agree',
      () => Date.now(),
      /clock .* and the service's agree/,
      /operator renew it .*unless both clocks/,
    ],
    [
      'by this clock alone',
      () => Date.now() - 400 * dayMs,
      /clock, which is 400 days ahead of the service's, the certificate of the service is not valid/,
      /Set the clock of this machine.*If this one is right.*clock there/,
    ],
  ] as const) {
    test(`a certificate of the service's authority that has expired, ${title}`, async t => {
      const leaf = await issueServerLeaf(service, [`connect.${bed.domain}`], Date.now() - 400 * dayMs);
      const server = tls.createServer(
        { cert: leaf.certificate, key: leaf.privateKey, ALPNCallback: () => 'postern-echo/1' },
        socket => {
          socket.on('error', () => {});
          const time = serviceTime();
          const echo = {
            tlsVersion: 'TLSv1.3',
            certificate: null,
            verdict: 'no_certificate',
            detail: '',
            time,
          };
          socket.end(time === null ? '' : JSON.stringify(echo));
        },
      );
      const port = await listen(server, t);

      const { report, results } = await examine({ ...trusting, dataDir: await movedTo(port, t) });

      assertFailed(results, 'trust.tunnel-chain', cause, remedy);
      assert.ok(report.exitCode === 10 || report.exitCode === 20);
    });
  }

  test('a middlebox that objects to a SHA-512 signature in TLS 1.2', async t => {
    const port = await listen(signatureFilter(bed.port), t);

    const { report, results } = await examine({ ...trusting, service: `${bed.domain}:${port}` });

    assertStatus(results, 'warning', 'trust.client-certificate-1.2');
    assert.match(
      results.get('trust.client-certificate-1.2')!.cause,
      /objects to client certificates with a SHA-512 signature in TLS 1\.2; one with SHA-256 passes .* it arrives \(TLSv1\.3\)/,
    );
    assertStatus(results, 'passed', 'trust.client-certificate-1.3', 'trust.tls-1.2');
    assert.equal(report.exitCode, 0);
  });

  test('a backend that is gone, while the connector runs', async () => {
    const { port } = web.address() as net.AddressInfo;
    web.close();
    web.closeAllConnections();

    const { report, results } = await examine({ ...trusting, dataDir: registered });

    assertFailed(
      results,
      'backend.connections',
      new RegExp(`A backend fails: http://127\\.0\\.0\\.1:${port}/ .*ECONNREFUSED`),
      /Start the web server/,
    );
    assertStatus(results, 'passed', 'backend.allowed', 'backend.names');
    assertStatus(results, 'not_run', 'backend.answers');
    assert.equal(report.exitCode, 50);
  });

  test('a connector that was revoked', async () => {
    const [connector] = bed.connectors;
    const revoked = await bed.api(
      'POST',
      `/onPremisesPublishingProfiles/applicationProxy/connectors/${connector!.id}/revoke`,
    );
    assert.equal(revoked.status, 204);

    const { report, results } = await examine({ ...trusting, dataDir: registered });

    assertFailed(
      results,
      'trust.accepted',
      /refuses this connector \(revoked\)/,
      /administrator has revoked/,
    );
    assert.equal(report.exitCode, 20);
  });
});

describe('through an outbound proxy', () => {
  const domain = 'doctor.test';
  let bed: Testbed;

  before(async () => {
    bed = await startTestbed({ applications: [], connectors: 0, domain });
  });
  after(() => bed?.[Symbol.asyncDispose]());

  /** Looks through a proxy that answers in this way; names of the service resolve nowhere else. */
  async function through(reply: (target: string) => ProxyReply) {
    await using proxy = await RawProxy.start(head => reply(/^CONNECT (\S+)/.exec(head)?.[1] ?? ''));
    // Awaited here: the proxy must not end before.
    return await examine({
      service: `${domain}:${bed.port}`,
      authorities: [bed.ca],
      environment: { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` },
    });
  }

  test('that connects', async () => {
    const { report, results } = await through(() => ({ through: { host: '127.0.0.1', port: bed.port } }));

    assert.deepEqual(
      report.results.filter(one => one.status === 'failed'),
      [],
    );
    assertStatus(
      results,
      'passed',
      'connectivity.proxy-connect',
      'connectivity.proxy-or-direct',
      'trust.public-chain',
    );
    assert.match(
      results.get('connectivity.proxy-or-direct')!.seen,
      /through the proxy: works; directly: fails/,
    );
    assert.match(results.get('connectivity.discovery')!.command, /^curl -v -x http:\/\/127\.0\.0\.1:\d+ /);
    assert.match(results.get('trust.tls-1.2')!.command, / -proxy 127\.0\.0\.1:\d+ /);
    assert.equal(report.exitCode, 0);
  });

  test('that wants an authentication of its own kind', async () => {
    const { report, results } = await through(() => ({
      say: 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n',
      thenClose: true,
    }));

    assertFailed(
      results,
      'connectivity.proxy-connect',
      /wants authentication \(407\) and offers Negotiate, NTLM/,
      /Basic and Digest are supported/,
    );
    assert.equal(report.exitCode, 10);
  });

  test('that refuses CONNECT', async () => {
    const { report, results } = await through(() => ({
      say: 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n',
      thenClose: true,
    }));

    assertFailed(
      results,
      'connectivity.proxy-connect',
      /refuses CONNECT to this name \(403\)/,
      /Let the proxy allow the method CONNECT/,
    );
    assert.equal(report.exitCode, 10);
  });

  test('that allows port 443 only', async () => {
    const { report, results } = await through(target =>
      target.endsWith(':443')
        ? { say: 'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n', thenClose: true }
        : { say: 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', thenClose: true },
    );

    assertFailed(
      results,
      'connectivity.proxy-connect',
      new RegExp(`lets CONNECT pass to port 443 and refuses port ${bed.port}`),
      /allow CONNECT/,
    );
    assert.equal(report.exitCode, 10);
  });

  test('that does not run', async () => {
    const proxy = await RawProxy.start(() => ({ say: '' }));
    const { port } = proxy;
    await proxy[Symbol.asyncDispose]();

    const { results } = await examine({
      service: `${domain}:${bed.port}`,
      environment: { HTTPS_PROXY: `http://127.0.0.1:${port}` },
    });

    assertFailed(
      results,
      'connectivity.proxy-connect',
      /proxy 127\.0\.0\.1:\d+ \(from HTTPS_PROXY\) cannot be reached/,
      /proxy/,
    );
  });
});

/** Ends TLS with certificates of its own authority and passes on what it reads, as products for TLS inspection do. */
async function inspector(
  name: string,
  bed: Testbed,
  t: { after(end: () => void): void },
): Promise<tls.Server> {
  const authority = openSigner(await createAuthority('p384', name, Date.now()));
  const leaf = await issueServerLeaf(authority, [bed.domain, `*.${bed.domain}`], Date.now());
  const onwards = new Set<net.Socket>();
  t.after(() => {
    for (const socket of onwards) socket.destroy();
  });
  const server = tls.createServer({
    cert: leaf.certificate,
    key: leaf.privateKey,
    ALPNCallback: ({ protocols }) => protocols[0],
  });
  server.on('tlsClientError', () => {});
  server.on('secureConnection', socket => {
    const { servername, alpnProtocol } = socket as tls.TLSSocket & { servername: string };
    const onward = tls.connect({
      host: '127.0.0.1',
      port: bed.port,
      servername,
      ALPNProtocols: alpnProtocol ? [alpnProtocol] : [],
      rejectUnauthorized: false,
    });
    onwards.add(onward);
    for (const one of [socket, onward]) one.on('error', () => {});
    socket.pipe(onward);
    onward.pipe(socket);
    socket.once('close', () => onward.destroy());
    onward.once('close', () => socket.destroy());
  });
  return server;
}

/** Object identifier of sha512WithRSAEncryption, as it stands in a certificate. */
const sha512WithRsa = Buffer.from('06092a864886f70d01010d', 'hex');

/** Passes bytes on, and resets a connection in whose clear bytes a SHA-512 signature shows, as TLS 1.2 lets it. */
function signatureFilter(port: number): net.Server {
  return net.createServer(socket => {
    const onward = net.connect(port, '127.0.0.1');
    let sent = Buffer.alloc(0);
    for (const one of [socket, onward]) one.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      sent = Buffer.concat([sent, bytes]).subarray(-16_384);
      if (sent.includes(sha512WithRsa)) socket.resetAndDestroy();
      else onward.write(bytes);
    });
    onward.pipe(socket);
    socket.once('close', () => onward.destroy());
    onward.once('close', () => socket.destroy());
  });
}

async function command(...parameters: string[]): Promise<{ code: number | null; output: string }> {
  const program = path.join(import.meta.dirname, '../../packages/connector/src/main.ts');
  const child = spawn(process.execPath, [program, ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return { code, output };
}
