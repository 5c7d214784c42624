import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ApplicationTest } from '@postern/protocol/admin/application-test';
import type { Application } from '@postern/protocol/admin/applications';
import type { TestHopName } from '@postern/protocol/admin/test-hops';
import { browserAt } from '../testbed/browser.ts';
import { CommandLine } from '../testbed/command-line.ts';
import { end, freePorts, startTestbed, type Testbed } from '../testbed/testbed.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-path-test-'));
const servers: { close(): unknown; closeAllConnections?(): void }[] = [];
/** What the healthy backend was asked, newest last. */
const asked: { url: string; headers: Record<string, unknown> }[] = [];
let bed: Testbed;
let commandLine: CommandLine;

before(async () => {
  const well = await serve(createServer(answer));
  const files = selfSigned();
  const secure = await serve(createTlsServer({ key: files.key, cert: files.cert }, answer));
  const mute = net.createServer(socket => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
  servers.push(mute);
  await once(mute, 'listening');
  const garbled = net.createServer(socket => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end('SSH-2.0-no-http\r\n'));
  });
  servers.push(garbled.listen(0, '127.0.0.1'));
  await once(garbled, 'listening');
  const [free] = (await freePorts(1)) as [number];
  const at = (port: number, scheme = 'http') => `${scheme}://127.0.0.1:${port}/`;
  bed = await startTestbed({
    users: ['eve'],
    applications: [
      { name: 'well', internalUrl: `http://localhost:${well}/` },
      { name: 'open', internalUrl: at(well), passthrough: true },
      { name: 'secure', internalUrl: `https://localhost:${secure}/` },
      { name: 'refused', internalUrl: at(free) },
      { name: 'unknown', internalUrl: 'http://no-such-host.invalid/' },
      { name: 'mute', internalUrl: at((mute.address() as AddressInfo).port), timeoutSeconds: 1 },
      { name: 'garbled', internalUrl: at((garbled.address() as AddressInfo).port) },
      { name: 'of-eve', internalUrl: at(well), assignedTo: ['eve'] },
      { name: 'closed', internalUrl: at(well), publishing: { maintenanceMode: { isEnabled: true } } },
      { name: 'nobody', internalUrl: at(well) },
      { name: 'visited', internalUrl: at(well) },
    ],
    config: { limits: { waitForConnectorMs: 500 } },
  });
  commandLine = await CommandLine.signIn(bed);
});

after(async () => {
  commandLine?.[Symbol.dispose]();
  await bed?.[Symbol.asyncDispose]();
  for (const server of servers) {
    server.closeAllConnections?.();
    server.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { url = '', headers } = request;
  asked.push({ url, headers });
  if (url === '/broken') return void response.writeHead(500).end('no');
  if (url === '/gone') return void response.writeHead(404).end('no');
  if (url === '/moved') return void response.writeHead(302, { location: 'http://elsewhere.example/' }).end();
  if (url === '/slow') {
    setTimeout(() => response.end('late'), 2_300);
    return;
  }
  response.setHeader('content-type', 'text/html');
  response.end('<p>well</p>');
}

async function serve(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function selfSigned(): { key: string; cert: string } {
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];
  execFileSync(
    'openssl',
    ['req', '-x509', ...ec, '-keyout', 'key.pem', '-out', 'cert.pem', '-subj', '/CN=localhost'],
    { cwd: folder, stdio: 'pipe' },
  );
  return {
    key: readFileSync(path.join(folder, 'key.pem'), 'utf8'),
    cert: readFileSync(path.join(folder, 'cert.pem'), 'utf8'),
  };
}

async function testOf(name: string, body: unknown = {}): Promise<ApplicationTest> {
  const { status, body: report } = await bed.api(
    'POST',
    `/applications/${bed.applicationId(name)}/test`,
    body,
  );
  assert.equal(status, 200, JSON.stringify(report));
  return report as ApplicationTest;
}

function hop(report: ApplicationTest, name: TestHopName) {
  const found = report.hops.find(one => one.hop === name);
  assert.ok(found, `no hop ${name}`);
  return found;
}

function states(report: ApplicationTest): string {
  return report.hops.map(one => `${one.hop} ${one.state}`).join(', ');
}

describe('POST /applications/{id}/test', () => {
  test('a working application is walked through, hop by hop, as the person who asks', async () => {
    asked.length = 0;

    const report = await testOf('well', { path: '/status?full=1' });

    assert.equal(report.outcome, 'passed', states(report));
    assert.equal(report.status, 200);
    for (const one of report.hops) {
      assert.equal(one.state, 'passed');
      assert.equal(typeof one.durationMs, 'number', one.hop);
    }
    const inside = report.hops.reduce((sum, one) => sum + (one.durationMs ?? 0), 0);
    assert.ok(inside <= report.totalMs + 1, `${inside} ms in ${report.totalMs} ms`);
    assert.match(hop(report, 'connector').detail, /^connector-0, of 1 connected in /);
    assert.equal(asked.length, 1);
    assert.equal(asked[0]!.url, '/status?full=1');
    assert.equal(asked[0]!.headers['x-forwarded-user'] ?? asked[0]!.headers['x-postern-user'], 'ada');
    assert.equal(asked[0]!.headers['x-request-id'], report.requestId);
    assert.equal(asked[0]!.headers['cookie'], undefined);
  });

  test('the session that a test lives by is gone with it', async () => {
    await testOf('well');

    const metrics = await (await fetch(`http://127.0.0.1:${bed.privatePort}/metrics`)).text();
    const sessions = Number(/^postern_sessions(?:\{[^}]*\})? (\d+)$/m.exec(metrics)?.[1]);
    // Those of the testbed: of each of two people at each application.
    assert.equal(sessions, 22);
  });

  test('a backend that refuses: hop, what it said, remedy', async () => {
    const report = await testOf('refused');

    const failed = hop(report, 'backendConnect');
    assert.equal(report.outcome, 'failed');
    assert.equal(report.status, null);
    assert.equal(failed.state, 'failed');
    assert.equal(failed.code, 'backend_refused');
    assert.match(failed.detail, /ECONNREFUSED/);
    assert.match(failed.remedy!, /curl -v http:\/\/127\.0\.0\.1/);
    assert.equal(typeof failed.durationMs, 'number');
    assert.equal(hop(report, 'tunnel').state, 'passed');
    assert.equal(hop(report, 'backendAnswer').state, 'notRun');
  });

  test('a name that nobody knows', async () => {
    const report = await testOf('unknown');

    const failed = hop(report, 'backendDns');
    assert.equal(failed.code, 'name_not_resolved', states(report));
    assert.match(failed.remedy!, /connector-0 cannot resolve no-such-host\.invalid/);
    assert.equal(hop(report, 'backendConnect').state, 'notRun');
  });

  test('a backend certificate that is not accepted', async () => {
    const report = await testOf('secure');

    const failed = hop(report, 'backendTls');
    assert.equal(failed.code, 'backend_tls', states(report));
    assert.match(failed.remedy!, /--backend-ca/);
    assert.equal(typeof failed.durationMs, 'number');
    assert.equal(hop(report, 'backendConnect').state, 'passed');
  });

  test('a backend that never answers', async () => {
    const report = await testOf('mute');

    const failed = hop(report, 'backendAnswer');
    assert.equal(failed.code, 'backend_timeout', states(report));
    assert.match(failed.remedy!, new RegExp(report.requestId));
  });

  test('a backend that speaks something else', async () => {
    const report = await testOf('garbled');

    assert.equal(hop(report, 'backendAnswer').code, 'bad_response', states(report));
    assert.match(hop(report, 'backendAnswer').remedy!, /plain http/);
  });

  test('a backend that answers 500, and one that has no such page', async () => {
    const broken = await testOf('well', { path: '/broken' });
    const gone = await testOf('well', { path: '/gone' });

    assert.equal(broken.outcome, 'failed');
    assert.equal(broken.status, 500);
    assert.equal(hop(broken, 'answer').code, 'backend_error');
    assert.match(hop(broken, 'answer').remedy!, /The way to it works/);
    assert.equal(gone.outcome, 'passed');
    assert.equal(hop(gone, 'answer').state, 'warning');
  });

  test('a slow backend is told from a slow way', async () => {
    const report = await testOf('well', { path: '/slow' });

    assert.equal(report.outcome, 'passed');
    assert.equal(hop(report, 'backendAnswer').code, 'backend_slow', states(report));
    assert.ok(hop(report, 'backendAnswer').durationMs! >= 2_000);
  });

  test('a redirect is named and not followed', async () => {
    asked.length = 0;

    const report = await testOf('well', { path: '/moved' });

    assert.equal(report.status, 302);
    assert.equal(report.redirectsTo, 'http://elsewhere.example/');
    assert.equal(asked.length, 1);
  });

  test('without an assignment the rest is asked in nobody’s name', async () => {
    asked.length = 0;

    const report = await testOf('of-eve');

    assert.equal(report.outcome, 'failed');
    assert.equal(hop(report, 'admission').code, 'not_allowed');
    assert.match(hop(report, 'admission').remedy!, /postern app assign of-eve ada/);
    assert.equal(hop(report, 'answer').state, 'passed', states(report));
    assert.equal(report.status, 200);
    assert.deepEqual(
      Object.keys(asked[0]!.headers).filter(name => /user|email|cookie/.test(name) && name !== 'user-agent'),
      [],
    );
  });

  test('maintenance is named, and what lies behind is looked at', async () => {
    const report = await testOf('closed');

    assert.equal(hop(report, 'admission').code, 'maintenance');
    assert.match(hop(report, 'admission').remedy!, /app maintenance closed off/);
    assert.equal(report.status, 200);
  });

  test('passthrough needs nobody', async () => {
    const report = await testOf('open');

    assert.equal(report.outcome, 'passed', states(report));
    assert.match(hop(report, 'admission').detail, /everybody/);
  });

  test('the service’s own answer is not taken for the application’s', async () => {
    const report = await testOf('well', { path: '/robots.txt' });

    assert.equal(hop(report, 'admission').code, 'answered_by_service');
  });

  test('what cannot be asked for is refused with the reason', async () => {
    const id = bed.applicationId('well');
    for (const [body, said] of [
      [{ path: 'status' }, /path/],
      [{ path: '/a/../b' }, /written plainly/],
      [{ path: '/a#b' }, /path/],
      [{ host: 'other.example.com' }, /published at well\./],
      [{ follow: true }, /follow/],
    ] as const) {
      const { status, body: error } = await bed.api('POST', `/applications/${id}/test`, body);
      assert.equal(status, 400, JSON.stringify(body));
      assert.match(JSON.stringify(error), said);
    }
  });

  test('a group without a live connector', async () => {
    const { body: group } = await bed.api(
      'POST',
      '/onPremisesPublishingProfiles/applicationProxy/connectorGroups',
      { name: 'Empty' },
    );
    await bed.api('PUT', `/applications/${bed.applicationId('nobody')}/connectorGroup/$ref`, {
      '@odata.id': `https://portal.${bed.domain}/api/v1.0/onPremisesPublishingProfiles/applicationProxy/connectorGroups/${(group as { id: string }).id}`,
    });

    const report = await testOf('nobody');

    assert.equal(hop(report, 'connector').code, 'no_connector', states(report));
    assert.match(hop(report, 'connector').detail, /no connector is registered in the group Empty/);
    assert.match(hop(report, 'connector').remedy!, /postern connector register/);
  });
});

describe('the status of an application', () => {
  const statusOf = async (name: string) => {
    const { body } = await bed.api('GET', `/applications/${bed.applicationId(name)}`);
    return (body as Application).status;
  };
  const visit = (name: string) =>
    bed.exchange(
      bed.hostOf(name),
      `GET / HTTP/1.1\r\nHost: ${bed.hostOf(name)}\r\nCookie: ${bed.cookie(name)}\r\nConnection: close\r\n\r\n`,
    );

  test('comes from the requests that people send', async () => {
    const before = await statusOf('visited');
    await visit('visited');
    const after = await statusOf('visited');
    await visit('refused');
    const refused = await statusOf('refused');

    assert.deepEqual([before.state, before.observedDateTime], ['unknown', null]);
    assert.equal(after.state, 'reachable');
    assert.ok(Date.parse(after.sinceDateTime!) <= Date.parse(after.observedDateTime!));
    assert.deepEqual(
      [refused.state, refused.hop, refused.code],
      ['unreachable', 'backend', 'backend_refused'],
    );
    assert.equal((await statusOf('closed')).state, 'maintenance');
  });

  test('is asked for by hand, and listed', async () => {
    const printed = await commandLine.print(['app', 'list', '--probe']);
    const shown = await commandLine.print(['app', 'show', 'unknown', '--probe']);

    assert.match(printed, /^NAME +STATUS +EXTERNAL URL/m);
    assert.match(printed, /^well +reachable /m);
    assert.match(printed, /^refused +unreachable \(backend\) /m);
    assert.match(printed, /^nobody +unreachable \(tunnel\) /m);
    // Whoever asks is not assigned to it; it can be reached all the same.
    assert.match(printed, /^of-eve +reachable /m);
    assert.match(printed, /^closed +maintenance /m);
    assert.match(shown, /^Status +unreachable \(backend\): name_not_resolved since /m);
  });

  test('shows in My Apps before anybody goes there', async () => {
    await testOf('refused');
    await testOf('well');
    const browser = browserAt(bed);
    const signIn = await browser.follow(
      await browser.get(`https://portal.${bed.domain}:${bed.port}/`, { 'sec-fetch-mode': 'navigate' }),
    );
    const { name, password } = bed.administrator;

    const { body: page } = await browser.follow(await browser.submitSignIn(signIn, name, password));

    const tile = (of: string) => page.slice(page.indexOf(`href="https://${of}.`)).split('</a>', 1)[0]!;
    assert.match(tile('refused'), /Does not answer right now/);
    assert.doesNotMatch(tile('well'), /Does not answer right now/);
  });
});

describe('postern app test', () => {
  test('prints the waterfall and ends with 0', async () => {
    const printed = await commandLine.print(['app', 'test', 'well']);

    assert.match(printed, /^well {2}https:\/\/well\.bed\.localhost:\d+\/$/m);
    for (const line of [
      /^✔ DNS {10}127\.0\.0\.1, ::1 +[\d.]+ ms/m,
      /^✔ TCP connect {2}127\.0\.0\.1:\d+ +[\d.]+ ms/m,
      /^✔ TLS {10}.*days left +[\d.]+ ms/m,
      /^✔ Service {6}Postern of bed\.localhost/m,
      /^✔ Admission {4}ada is let in/m,
      /^✔ Backend TCP {2}(127\.0\.0\.1|\[::1\]):\d+/m,
      /^✔ Answer {7}200 OK, text\/html, 11 bytes/m,
      /^It works: answers 200 in /m,
    ]) {
      assert.match(printed, line);
    }
    for (const line of printed.split('\n')) assert.ok(line.length <= 100, line);
  });

  test('prints a document with --json', async () => {
    const document = (await commandLine.run(['app', 'test', 'well', '--path', '/status'])) as {
      outcome: string;
      outside: { hop: string; state: string }[];
      inside: ApplicationTest;
    };

    assert.equal(document.outcome, 'passed');
    assert.deepEqual(
      document.outside.map(({ hop: name, state }) => `${name} ${state}`),
      ['dns passed', 'connect passed', 'tls passed', 'service passed'],
    );
    assert.equal(new URL(document.inside.url).pathname, '/status');
  });

  test('ends with 1 where something fails, with the remedy under it', async () => {
    await assert.rejects(commandLine.print(['app', 'test', 'refused']), error => {
      assert.match(String(error), /ended with 1/);
      assert.match(String(error), /^✖ Backend TCP/m);
      assert.match(String(error), /Do this: Is the application running/);
      assert.match(String(error), /^It does not work: Backend TCP\.$/m);
      return true;
    });
  });

  test('a connector that is gone is missed by name', async () => {
    const [connector] = bed.connectors;
    await end(connector!.process);
    try {
      const report = await testOf('well');

      assert.equal(hop(report, 'connector').code, 'no_connector', states(report));
      assert.match(hop(report, 'connector').detail, /is connected \(connector-0\)/);
      assert.match(hop(report, 'connector').remedy!, /postern connector doctor/);
    } finally {
      await connector!.restart();
    }
  });
});
