import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { OutboundError, outboundFrom } from '@postern/outbound/outbound';
import {
  createTestCertificate,
  startMailServer,
  startReceiver,
  type TestCertificate,
  type TestMailServer,
  type TestReceiver,
} from '@postern/server/alerts/test-receivers';
import { createOutboundAgent } from '@postern/server/outbound/outbound-agent';
import { type EchoServer, startEcho } from '../testbed/echo-server.ts';
import { proxyPassword, proxyUser, Squid } from '../testbed/squid.ts';
import { startTestbed, type Testbed } from '../testbed/testbed.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'postern-service-proxy-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

const passwordFile = fileOf('password', `${proxyPassword}\n`);
// Names that only the proxy can resolve: whatever does not go through it fails.
const hosts = {
  'mail.corp.test': '127.0.0.1',
  'hook.corp.test': '127.0.0.1',
  'echo.corp.test': '127.0.0.1',
};

describe('a service that lies behind a proxy with a password', { timeout: 300_000 }, () => {
  let certificate: TestCertificate;
  let mail: TestMailServer;
  let hook: TestReceiver;
  let squid: Squid;
  let bed: Testbed;

  before(async () => {
    certificate = await createTestCertificate(Object.keys(hosts));
    [mail, hook] = await Promise.all([
      startMailServer(certificate, { authOptional: true }),
      startReceiver(certificate),
    ]);
    const hookPort = Number(new URL(hook.origin).port);
    squid = await Squid.start({ authentication: 'digest', connectPorts: [mail.port, hookPort], hosts });
    const caFile = fileOf('ca.pem', certificate.authority);
    bed = await startTestbed({
      connectors: 0,
      applications: [],
      config: {
        outboundProxy: { url: `http://${proxyUser}@127.0.0.1:${squid.port}`, passwordFile },
        mail: {
          host: 'mail.corp.test',
          port: mail.port,
          caFile,
          from: 'postern@example.test',
          to: ['it@example.test'],
        },
        webhooks: [
          {
            url: `https://hook.corp.test:${hookPort}/hook`,
            secretFile: fileOf('secret', 'a secret of some length'),
            caFile,
          },
        ],
      },
    });
  });
  after(async () => {
    await bed?.[Symbol.asyncDispose]();
    await squid?.[Symbol.asyncDispose]();
    await hook?.[Symbol.asyncDispose]();
    await mail?.[Symbol.asyncDispose]();
  });

  const sendTest = async () => {
    const { status, body } = await bed.api('POST', '/alerts/test');
    assert.equal(status, 200, JSON.stringify(body));
    return (body as { value: { channel: string; status: string; detail: string; remedy: string }[] }).value;
  };

  test('sends mail and calls webhooks through it, encrypted to the end', async () => {
    const results = await sendTest();

    assert.deepEqual(
      results.map(one => one.status),
      ['sent', 'sent'],
      JSON.stringify(results),
    );
    assert.equal(mail.mails[0]?.isEncrypted, true);
    assert.equal(hook.requests[0]?.path, '/hook');
    assert.match(squid.accessLog, new RegExp(`^CONNECT mail\\.corp\\.test:\\d+ 200 ${proxyUser}$`, 'm'));
  });

  test('says of a proxy that is away which setting it came from, and tells no password', async () => {
    await squid.stop();
    const results = await sendTest();
    await squid.startAgain();

    for (const { status, detail, remedy } of results) {
      assert.equal(status, 'failed');
      assert.match(detail, /The proxy 127\.0\.0\.1:\d+ \(from outboundProxy\.url\) cannot be reached/);
      assert.ok(remedy.length > 10);
    }
    assert.ok(!bed.serviceLog().includes(proxyPassword));
  });
});

describe('Squid that is spoken to over TLS', { timeout: 120_000 }, () => {
  let certificate: TestCertificate;
  let echo: EchoServer;

  before(async () => {
    certificate = await createTestCertificate(['localhost', ...Object.keys(hosts)]);
    echo = await startEcho();
  });
  after(() => echo[Symbol.dispose]());

  const through = (squid: Squid, proxyCaFile?: string) =>
    outboundFrom(
      {
        proxy: `https://${proxyUser}@localhost:${squid.port}`,
        proxyPasswordFile: passwordFile,
        ...(proxyCaFile !== undefined && { proxyCaFile }),
      },
      {},
    );

  test('carries connections once its authority is named', async () => {
    await using squid = await Squid.start({
      authentication: 'basic',
      connectPorts: [echo.port],
      hosts,
      tls: certificate,
    });

    const socket = await through(squid, fileOf('proxy-ca.pem', certificate.authority)).connect(
      'echo.corp.test',
      echo.port,
    );

    socket.write('hello');
    assert.equal(String((await once(socket, 'data'))[0]), 'hello');
    socket.destroy();
  });

  test('carries TLS inside TLS', async () => {
    await using receiver = await startReceiver(certificate);
    const target = new URL(receiver.origin);
    await using squid = await Squid.start({ connectPorts: [Number(target.port)], hosts, tls: certificate });
    const agent = createOutboundAgent(through(squid, fileOf('proxy-ca.pem', certificate.authority)), {
      ca: certificate.authority,
    });

    const origin = `https://hook.corp.test:${target.port}`;
    const answer = await agent.request({ origin, path: '/inside', method: 'GET' });
    await answer.body.dump();
    await agent.destroy();

    assert.equal(answer.statusCode, 204);
    assert.equal(receiver.requests[0]?.path, '/inside');
  });

  test('is refused while its certificate is not trusted, and where it does not speak TLS', async () => {
    await using squid = await Squid.start({ connectPorts: [echo.port], hosts, tls: certificate });
    await using plain = await Squid.start({ connectPorts: [echo.port], hosts });
    const failure = (one: Squid) =>
      through(one)
        .connect('echo.corp.test', echo.port)
        .then(
          () => assert.fail('it connected'),
          (error: unknown) => {
            assert.ok(error instanceof OutboundError, String(error));
            return error;
          },
        );

    const [untrusted, silent] = [await failure(squid), await failure(plain)];

    assert.equal(untrusted.code, 'proxy_untrusted');
    assert.match(untrusted.message, /^The certificate of the proxy localhost:\d+ .* is not accepted/);
    assert.match(untrusted.remedy, /outboundProxyCaFile/);
    assert.equal(silent.code, 'proxy_unreachable');
    assert.match(silent.message, /does not speak TLS there/);
    assert.match(silent.remedy, /http:\/\//);
  });
});
