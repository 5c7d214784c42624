import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Outbound, OutboundError, outboundFrom } from '@postern/outbound/outbound';
import { type EchoServer, startEcho } from '../testbed/echo-server.ts';
import { RawBackend } from '../testbed/raw-backend.ts';
import { proxyPassword, proxyUser, Squid } from '../testbed/squid.ts';
import { end, Journal, startTestbed, type Testbed } from '../testbed/testbed.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-outbound-proxy-'));
const program = path.join(import.meta.dirname, '..', '..', 'packages/connector/src/main.ts');
const passwordFile = path.join(folder, 'password');
writeFileSync(passwordFile, `${proxyPassword}\n`, { mode: 0o600 });
after(() => rmSync(folder, { recursive: true, force: true }));

describe('Squid', { timeout: 120_000 }, () => {
  let echo: EchoServer;

  before(async () => {
    echo = await startEcho();
  });
  after(() => echo[Symbol.dispose]());

  const outboundThrough = (squid: Squid, user = '') =>
    outboundFrom({ proxy: `http://${user}127.0.0.1:${squid.port}`, proxyPasswordFile: passwordFile }, {});
  const hosts = { 'echo.corp.test': '127.0.0.1' };

  async function echoes(outbound: Outbound): Promise<void> {
    const socket = await outbound.connect('echo.corp.test', echo.port);
    socket.write('hello');
    const [bytes] = await once(socket, 'data');
    assert.equal(String(bytes), 'hello');
    socket.destroy();
  }

  async function failure(outbound: Outbound, host: string, wanted = echo.port): Promise<OutboundError> {
    const error = await outbound.connect(host, wanted).then(
      () => assert.fail('it connected'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof OutboundError, String(error));
    return error;
  }

  test('that asks nobody lets a name pass that only it can resolve', async () => {
    await using squid = await Squid.start({ connectPorts: [echo.port], hosts });

    await echoes(outboundThrough(squid));
  });

  for (const authentication of ['basic', 'digest'] as const) {
    test(`with ${authentication} authentication is answered, once and then without being asked`, async () => {
      await using squid = await Squid.start({ authentication, connectPorts: [echo.port], hosts });
      const outbound = outboundThrough(squid, `${proxyUser}@`);

      for (let connection = 0; connection < 3; connection++) await echoes(outbound);

      const statuses = () =>
        [...squid.accessLog.matchAll(/^CONNECT \S+ (\d+) (\S+)/gm)].map(match => match[1]);
      // A tunnel is written down when it is over.
      while (statuses().length < 4) await new Promise(resolve => setTimeout(resolve, 50));
      assert.deepEqual(statuses(), ['407', '200', '200', '200']);
    });

    test(`with ${authentication} authentication and a wrong password says so`, async () => {
      await using squid = await Squid.start({ authentication, connectPorts: [echo.port], hosts });
      const outbound = outboundFrom({}, { HTTPS_PROXY: `http://${proxyUser}:wrong@127.0.0.1:${squid.port}` });

      const error = await failure(outbound, 'echo.corp.test');

      assert.equal(error.code, 'proxy_authentication');
      assert.match(error.message, /did not accept the password of connector-7 \(407\)/);
      assert.deepEqual(
        error.schemes.map(scheme => scheme.toLowerCase()),
        [authentication],
      );
    });
  }

  test('that refuses the port, and that cannot reach the host, are told apart', async () => {
    await using squid = await Squid.start({ connectPorts: [echo.port, 1], hosts });

    const refused = await failure(outboundThrough(squid), 'echo.corp.test', 8443);
    const unknown = await failure(outboundThrough(squid), 'nowhere.invalid');
    const closed = await failure(outboundThrough(squid), 'echo.corp.test', 1);

    assert.deepEqual([refused.code, refused.status], ['proxy_refused', 403]);
    assert.match(refused.remedy, /allow port 8443/);
    // 503, or 500 where it has no name server to ask.
    assert.equal(unknown.code, 'proxy_refused');
    assert.match(unknown.remedy, /The proxy itself could not reach nowhere\.invalid/);
    assert.deepEqual([closed.code, closed.status], ['proxy_refused', 503]);
  });
});

describe('a connector that can reach nothing but a proxy with a password', { timeout: 300_000 }, () => {
  let backend: RawBackend;
  let bed: Testbed;
  let squid: Squid;
  const dataDir = path.join(folder, 'connector');
  let connector: ChildProcess;
  const log = new Journal();

  // A name that does not exist outside of the proxy: whatever does not go through it fails.
  const domain = 'bed.test';

  before(async () => {
    backend = await RawBackend.start();
    bed = await startTestbed({
      domain,
      connectors: 0,
      applications: [{ name: 'site', internalUrl: backend.url }],
    });
    squid = await Squid.start({
      authentication: 'basic',
      connectPorts: [bed.port],
      hosts: { [`connect.${domain}`]: '127.0.0.1' },
    });
  });
  after(async () => {
    if (connector) await end(connector);
    await squid?.[Symbol.asyncDispose]();
    await bed?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
  });

  function start(args: readonly string[], environment: Record<string, string>): ChildProcess {
    const child = spawn(process.execPath, [program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_PROXY: '', no_proxy: '', ...environment },
    });
    child.stdout.on('data', text => log.push(String(text)));
    child.stderr.on('data', text => log.push(String(text)));
    return child;
  }

  async function logged(text: string, from = 0): Promise<void> {
    const { promise: tooLate, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`"${text}" was not logged:\n${log.text}`)), 60_000);
    await Promise.race([log.until(text, from), tooLate]).finally(() => clearTimeout(timer));
  }

  const get = () =>
    bed.exchange(
      bed.hostOf('site'),
      `GET / HTTP/1.1\r\nHost: ${bed.hostOf('site')}:${bed.port}\r\nCookie: ${bed.cookie('site')}\r\nConnection: close\r\n\r\n`,
    );

  test('registers with the proxy of HTTPS_PROXY, and remembers it for a service that has no such variable', async () => {
    const proxy = new URL(`http://127.0.0.1:${squid.port}`);
    proxy.username = proxyUser;
    proxy.password = proxyPassword;
    const registration = start(
      [
        'register',
        '--service',
        `${domain}:${bed.port}`,
        '--ca-file',
        bed.caFile,
        '--data',
        dataDir,
        '--key',
        'p384',
      ],
      { HTTPS_PROXY: proxy.href, POSTERN_TOKEN: await bed.token() },
    );

    const [code] = await once(registration, 'exit');

    assert.equal(code, 0, log.text);
    assert.match(log.text, /The proxy 127\.0\.0\.1:\d+ led to the service and is saved/);
    assert.equal(statSync(path.join(dataDir, 'Config/outbound-proxy-password')).mode & 0o777, 0o600);
  });

  test('runs through the proxy that was remembered, which sees the name of the service and no more', async () => {
    connector = start(['run', '--data', dataDir], {});
    await logged('tunnel_connected');

    assert.match(await get(), /^HTTP\/1\.1 200 /);
    assert.match(
      log.text,
      new RegExp(`connect\\.bed\\.test:${bed.port} through the proxy 127\\.0\\.0\\.1:${squid.port}`),
    );
    assert.match(squid.accessLog, new RegExp(`^CONNECT connect\\.bed\\.test:${bed.port} 407 -`, 'm'));
    // The lines without a method are those of the test's own look whether it listens.
    const targets = [...squid.accessLog.matchAll(/^[A-Z]+ (\S+)/gm)].map(match => match[1]);
    assert.deepEqual(new Set(targets), new Set([`connect.${domain}:${bed.port}`]));
  });

  test('is back within 5 s after the proxy is', async () => {
    await squid.stop();
    await logged('tunnel_failed');
    const from = log.text.length;

    await squid.startAgain();
    const since = performance.now();
    await logged('tunnel_connected', from);

    // From the first moment in which the proxy accepts, so that its own start does not count.
    assert.ok(performance.now() - since < 5_000, `${performance.now() - since} ms`);
    assert.match(await get(), /^HTTP\/1\.1 200 /);
    assert.match(log.text, /The proxy 127\.0\.0\.1:\d+ \(from Config\/connector\.json\) cannot be reached/);
  });

  test('shows the password nowhere: not in a log, not in the status, not in the list of processes', () => {
    const shown = [
      log.text,
      bed.serviceLog(),
      readFileSync(path.join(dataDir, 'run', 'status.json'), 'utf8'),
      readFileSync(`/proc/${connector.pid}/cmdline`, 'latin1'),
    ].join('\n');

    for (const secret of [
      proxyPassword,
      encodeURIComponent(proxyPassword),
      Buffer.from(`${proxyUser}:${proxyPassword}`).toString('base64'),
    ]) {
      assert.ok(!shown.includes(secret), secret);
    }
  });
});
