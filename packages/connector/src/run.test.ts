import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { tunnelProtocol } from '@postern/protocol/tunnel/messages';
import { issueServerLeaf } from '@postern/server/registration/authorities';
import { RawProxy } from '../../outbound/testing/raw-proxy.ts';
import { RunningConnector } from '../testing/running-connector.ts';
import { readAll, TestBackend } from '../testing/test-backend.ts';
import { domain, type ServiceTunnel, TestService } from '../testing/test-service.ts';
import { loadIdentity } from './identity/identity.ts';
import { registerConnector } from './register.ts';
import { type RunOptions, runConnector } from './run.ts';
import { readConnectorStatus } from './status.ts';

/** A connector whose service has nothing left of it when it is disposed of, so that the next test begins with silence. */
class Running extends RunningConnector {
  constructor(folder: string, options: Partial<RunOptions> = {}) {
    super(folder, { drainMs: 30_000, environment: process.env, ...options });
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await service.quiet();
  }
}

let service: TestService;
let dataDir: string;

before(async () => {
  service = await TestService.start();
  dataDir = service.dataDir();
  await register(dataDir);
});
after(() => service[Symbol.asyncDispose]());

function register(folder: string) {
  return registerConnector({
    service: `${domain}:${service.registrationPort}`,
    token: 'admin',
    dataDir: folder,
    caFile: service.caFile,
    machineName: 'srv-01',
    key: 'p384',
  });
}

/** A backend with a certificate of the service's local authority, which the machine does not trust. @returns its port. */
async function startTlsBackend(t: TestContext, host: string): Promise<number> {
  const leaf = await issueServerLeaf(service.authorities.local, [host], Date.now());
  const server = createTlsServer({ cert: leaf.certificate, key: leaf.privateKey }, socket => {
    socket.on('error', () => {});
    socket.end('secret');
  });
  server.on('tlsClientError', () => {});
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A connector with one tunnel, and the service's side of it. */
async function connected(
  options: Partial<RunOptions> = {},
): Promise<{ connector: Running; tunnel: ServiceTunnel } & AsyncDisposable> {
  const connector = new Running(dataDir, { drainMs: 100, ...options });
  const tunnel = await service.accept();
  await connector.logged('tunnel_connected');
  return { connector, tunnel, [Symbol.asyncDispose]: () => connector[Symbol.asyncDispose]() };
}

describe('a tunnel', () => {
  test('presents the trust certificate, says hello, and shows in the status', async () => {
    await using connector = new Running(dataDir);
    const tunnel = await service.accept();

    const { pairs } = await loadIdentity(dataDir, Date.now());
    assert.equal(tunnel.socket.getPeerCertificate().fingerprint.replaceAll(':', ''), pairs[0]?.thumbprint);
    assert.equal(tunnel.socket.authorized, true);
    assert.equal(tunnel.socket.alpnProtocol, tunnelProtocol);
    const hello = await tunnel.hear('hello');
    assert.equal(hello.machineName, 'srv-01');
    await tunnel.configure({ applicationId: 'a', host: 'h', port: 1, tls: false, validateCertificate: true });
    const status = await connector.status(one => one.state === 'connected' && one.applicationCount === 1);
    assert.equal(status.isRunning, true);
    assert.equal(status.connect, `connect.${domain}:${service.tunnelPort}`);
    assert.equal(status.tunnels[0]?.nodeId, 'node-1');
    assert.equal(status.tunnels[0]?.address, `127.0.0.1:${service.tunnelPort}`);
    assert.equal(status.lastError, null);

    await connector.stop();
    assert.equal((await readConnectorStatus({ dataDir })).state, 'stopped');
    assert.ok(tunnel.heard.some(message => message.type === 'draining'));
    assert.doesNotMatch(JSON.stringify(connector.lines), /PRIVATE KEY|BEGIN CERTIFICATE/);
  });

  test('counts applications in the status, and not their backends', async () => {
    await using all = await connected();
    const backend = { host: 'h', port: 1, tls: false, validateCertificate: true };
    const ids = ['shop/s1', 'shop/s2', 'wiki', 'wiki http://wiki-2'];

    await all.tunnel.configure(...ids.map(applicationId => ({ applicationId, ...backend })));

    const status = await all.connector.status(one => one.applicationCount > 0);
    assert.equal(status.applicationCount, 2);
  });

  test('is opened twice, the second time after the first was accepted', async () => {
    await using connector = new Running(dataDir, { tunnelCount: 2, drainMs: 100 });
    const first = await service.nextTunnel();
    const before = service.connections;
    await first.hear('hello');
    assert.equal(service.connections, before);

    await first.welcome();
    await service.accept();

    await connector.status(status => status.tunnels.length === 2);
  });

  test('pings, and answers pings', async () => {
    await using all = await connected();

    assert.ok((await all.tunnel.session.ping()) >= 0);
  });
});

describe('a service that is not the one of the registration is not spoken to', () => {
  const cases = [
    ['a certificate of an authority that the connector uses elsewhere', 'local', `connect.${domain}`],
    ["the service's own authority, for another name", 'service', `login.${domain}`],
  ] as const;
  for (const [title, authority, name] of cases) {
    test(title, async () => {
      await service.cut();
      await service.listen(await issueServerLeaf(service.authorities[authority], [name], Date.now()));
      try {
        await using connector = new Running(dataDir);

        const line = await connector.logged('tunnel_failed');

        assert.equal(line.code, 'untrusted_service');
        assert.match(line.message, /not the service that this connector was registered with/);
      } finally {
        await service.cut();
        await service.listen();
      }
    });
  }

  test('a certificate that has expired', async () => {
    const old = await issueServerLeaf(
      service.authorities.service,
      [`connect.${domain}`],
      Date.now() - 400 * 86_400_000,
    );
    await service.cut();
    await service.listen(old);
    try {
      await using connector = new Running(dataDir);

      assert.equal((await connector.logged('tunnel_failed')).code, 'untrusted_service');
    } finally {
      await service.cut();
      await service.listen();
    }
  });

  test('another protocol', async () => {
    await service.cut();
    await service.listen(undefined, 'http/1.1');
    try {
      await using connector = new Running(dataDir);

      assert.equal((await connector.logged('tunnel_failed')).code, 'not_a_tunnel');
    } finally {
      await service.cut();
      await service.listen();
    }
  });
});

describe('a refusal', () => {
  test('is an event of its own with its reason and remedy, and is in the status', async () => {
    await using connector = new Running(dataDir);
    const tunnel = await service.nextTunnel();

    await tunnel.refuse('revoked');

    const line = await connector.logged('tunnel_refused');
    assert.deepEqual([line.level, line.code], ['error', 'refused/revoked']);
    assert.match(line.message, /An administrator has revoked this connector.*postern connector register/);
    const status = await connector.status(one => one.state === 'refused');
    assert.equal(status.lastError?.code, 'refused/revoked');
    assert.match(status.lastError?.remedy ?? '', /postern connector register/);
  });

  test('of the named certificate has the next valid one tried', async () => {
    const folder = service.dataDir('two-certificates');
    const first = await register(folder);
    const second = await register(folder);
    await using connector = new Running(folder);
    await (await service.nextTunnel()).refuse('unknown_certificate');

    const tunnel = await service.accept();

    assert.equal(tunnel.socket.getPeerCertificate().fingerprint.replaceAll(':', ''), first.thumbprint);
    const line = await connector.logged('certificate_fallback');
    assert.match(
      line.message,
      new RegExp(`${first.thumbprint}.*refused the certificate ${second.thumbprint}`),
    );
    await connector.status(status => status.certificate.thumbprint === first.thumbprint);
  });
});

describe('a lost tunnel', () => {
  test('is replaced within 5 s after the service is back', async () => {
    await using all = await connected();
    await service.cut();
    await all.connector.logged('tunnel_lost');
    // Long enough for the pauses between attempts to have grown.
    await all.connector.logged('tunnel_failed', 3);

    await service.listen();
    const backAt = performance.now();
    await service.accept();

    assert.ok(performance.now() - backAt <= 5_000);
    assert.equal(
      all.connector.lines.filter(line => line.event === 'tunnel_failed' && line.level === 'warn').length,
      1,
    );
  });

  test('on which nothing is heard any more is given up', async () => {
    await using all = await connected();

    // The service's process stands still: its kernel goes on acknowledging, and nothing answers.
    all.tunnel.socket.pause();

    const line = await all.connector.logged('tunnel_lost');
    assert.match(line.message, /nothing was heard for 9 s/);
    await service.accept();
    all.tunnel.socket.destroy();
  });

  test('that the service takes out of use is replaced first and ends when its streams have', async () => {
    await using backend = await TestBackend.start(socket => socket.pipe(socket));
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a'));
    const stream = all.tunnel.open('a');
    stream.stream.write(Buffer.from('before'));
    await stream.receive(6);

    all.tunnel.session.goAway();
    const replacement = await service.accept();

    assert.equal(all.tunnel.session.isClosed, false);
    stream.stream.write(Buffer.from(' and after'));
    assert.equal((await stream.receive(16)).toString(), 'before and after');
    stream.stream.end();
    assert.equal(await stream.over, null);
    await all.tunnel.closed;
    assert.equal(replacement.session.isClosed, false);
    assert.equal(all.connector.lines.filter(line => line.event === 'tunnel_lost').length, 0);
  });
});

describe('a data stream', () => {
  test('carries bytes both ways, answers with what the dial took, and half-closes towards the backend', async () => {
    const said: Promise<Buffer>[] = [];
    await using backend = await TestBackend.start(socket => {
      const all = readAll(socket);
      said.push(all);
      void all.then(() => socket.end('good bye'));
    });
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a'));

    const stream = all.tunnel.open('a');
    stream.stream.write(Buffer.from('first '));
    const answer = await stream.answered;
    stream.stream.write(Buffer.from('second'));
    stream.stream.end();

    assert.equal(answer.code, 'ok');
    assert.equal(answer.detail.address, `127.0.0.1:${backend.port}`);
    assert.equal(typeof answer.detail.connectMs, 'number');
    assert.equal(await stream.over, null);
    assert.equal((await said[0])?.toString(), 'first second');
    assert.equal(stream.received.toString(), 'good bye');
    const ended = await all.tunnel.hear('ended');
    assert.deepEqual(
      [ended.stream, ended.reason, ended.bytesWritten],
      [stream.stream.id, 'backend_closed', 12],
    );
  });

  test('half-closed by the backend: the report comes first, and nothing later reaches the backend', async () => {
    await using backend = await TestBackend.start();
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a'));
    const arrived = backend.next();
    const stream = all.tunnel.open('a');
    stream.stream.write(Buffer.from('0123456789'));
    const socket = await arrived;
    const seen: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => void seen.push(bytes));
    await once(socket, 'data');
    let reportedBeforeEnd = false;
    const { onEnd } = stream.stream;
    stream.stream.onEnd = () => {
      reportedBeforeEnd = all.tunnel.heard.some(message => message.type === 'ended');
      onEnd();
    };

    socket.end('answer');

    assert.equal(await stream.over, null);
    assert.equal(reportedBeforeEnd, true);
    assert.equal(stream.received.toString(), 'answer');
    assert.equal((await all.tunnel.hear('ended')).bytesWritten, 10);
    stream.stream.write(Buffer.from('a request that came too late'));
    stream.stream.end();
    await once(socket, 'end');
    assert.equal(Buffer.concat(seen).toString(), '0123456789');
  });

  test('the report comes before the end also behind a full connection', async () => {
    const bulk = Buffer.alloc(64 * 1024, 1);
    await using backend = await TestBackend.start(socket => {
      const pump = () => {
        while (socket.writable && socket.write(bulk));
      };
      socket.on('drain', pump);
      pump();
    });
    await using short = await TestBackend.start(socket => void socket.once('data', () => socket.end('x')));
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('bulk'), short.configuration('short'));
    for (let i = 0; i < 8; i++) all.tunnel.open('bulk').onBytes = () => {};

    for (let i = 0; i < 50; i++) {
      const stream = all.tunnel.open('short');
      let reported = false;
      const { onEnd } = stream.stream;
      stream.stream.onEnd = () => {
        reported = all.tunnel.heard.some(one => one.type === 'ended' && one.stream === stream.stream.id);
        onEnd();
      };
      stream.stream.write(Buffer.from('x'));
      assert.equal(await stream.over, null);
      assert.equal(reported, true);
      stream.stream.end();
    }
  });

  test('reset by the backend is reported as such, after the bytes it had sent', async () => {
    await using backend = await TestBackend.start(socket => {
      socket.write('half an answ');
      socket.once('data', () => socket.resetAndDestroy());
    });
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a'));
    const stream = all.tunnel.open('a');
    await stream.receive(12);

    stream.stream.write(Buffer.from('abc'));

    assert.equal(await stream.over, 'reset');
    const ended = await all.tunnel.hear('ended');
    assert.deepEqual([ended.reason, ended.bytesWritten], ['backend_reset', 3]);
  });

  test('reset by the service cuts the backend', async () => {
    await using backend = await TestBackend.start();
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a'));
    const arrived = backend.next();
    const stream = all.tunnel.open('a');
    const socket = await arrived;
    await stream.answered;

    stream.stream.reset();

    socket.resume();
    await new Promise(resolve => socket.once('close', resolve));
    assert.equal((await all.tunnel.session.ping()) >= 0, true);
  });

  test('ended and reset by the service in one go leaves no connection behind', async () => {
    await using backend = await TestBackend.start();
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a'));
    const arrived = backend.next();
    const stream = all.tunnel.open('a');
    const inside = await arrived;
    await stream.answered;
    const failed = once(inside, 'error');

    stream.stream.end();
    stream.stream.reset();
    await readAll(inside);
    // Who writes to a connection of which nothing is left is told so; one that is merely half-closed takes everything.
    const writing = setInterval(() => inside.write('more'), 20);
    const [error] = await failed.finally(() => clearInterval(writing));

    assert.match((error as NodeJS.ErrnoException).code ?? '', /^(ECONNRESET|EPIPE)$/);
  });

  test('lost with its tunnel cuts the backend', async () => {
    await using backend = await TestBackend.start();
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a'));
    const arrived = backend.next();
    const stream = all.tunnel.open('a');
    const socket = await arrived;
    await stream.answered;

    all.tunnel.socket.destroy();

    socket.resume();
    await new Promise(resolve => socket.once('close', resolve));
    await service.accept();
  });

  test('without a preamble that can be read is reset', async () => {
    await using all = await connected();
    await all.tunnel.configure();
    const raw = all.tunnel.session.openStream();
    const failed = new Promise<Error>(resolve => {
      raw.onError = resolve;
    });

    raw.write(Buffer.from('\0\x04null'));

    assert.match((await failed).message, /reset|refused/);
  });
});

async function codeFor(all: { tunnel: ServiceTunnel }, applicationId = 'a') {
  const stream = all.tunnel.open(applicationId);
  // What follows at once must go nowhere.
  stream.stream.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  const answer = await stream.answered;
  assert.equal(await stream.over, null);
  stream.stream.end();
  return answer;
}

describe('opening fails with a code that says why', () => {
  test('an application that is not configured', async () => {
    await using all = await connected();
    await all.tunnel.configure();

    assert.equal((await codeFor(all)).code, 'unknown_application');
  });

  test('a backend of a configured application that was not told, even where its address is another one’s', async () => {
    await using backend = await TestBackend.start();
    await using all = await connected();
    const told = backend.configuration('a');
    const origin = `http://${told.host}:${told.port}`;
    await all.tunnel.configure(told, { ...told, applicationId: 'a http://127.0.0.1:9' });

    assert.equal((await codeFor(all, `a ${origin}`)).code, 'unknown_application');
    await all.tunnel.configure(told);
    assert.equal((await codeFor(all, 'a http://127.0.0.1:9')).code, 'unknown_application');
    assert.equal(backend.sockets.length, 0);
  });

  test('nobody listens', async () => {
    const backend = await TestBackend.start();
    const configuration = backend.configuration('a');
    await backend[Symbol.asyncDispose]();
    await using all = await connected();
    await all.tunnel.configure(configuration);

    const answer = await codeFor(all);

    assert.equal(answer.code, 'connection_refused');
    assert.match(answer.detail.error ?? '', /ECONNREFUSED/);
    assert.equal((await all.connector.logged('backend_failed')).requestId, 'r-1');
  });

  test('a name that does not resolve', async () => {
    await using all = await connected();
    await all.tunnel.configure({
      applicationId: 'a',
      host: 'no-such-name.invalid',
      port: 80,
      tls: false,
      validateCertificate: true,
    });

    assert.equal((await codeFor(all)).code, 'name_not_resolved');
  });

  test('a backend that accepts no TLS handshake in time', async () => {
    await using backend = await TestBackend.start();
    await using all = await connected({ backendTimeoutMs: 1_000 });
    await all.tunnel.configure({ ...backend.configuration('a'), tls: true });

    const answer = await codeFor(all);

    assert.equal(answer.code, 'connection_timed_out');
    assert.match(answer.detail.error ?? '', /did not finish the TLS handshake within 1 s/);
  });

  test('a backend that speaks no TLS', async () => {
    await using backend = await TestBackend.start(socket => void socket.end('HTTP/1.1 400 no\r\n\r\n'));
    await using all = await connected();
    await all.tunnel.configure({ ...backend.configuration('a'), tls: true });

    assert.equal((await codeFor(all)).code, 'tls_failed');
  });

  test('a backend certificate that is not valid, unless the application does not ask for it', async t => {
    const port = await startTlsBackend(t, 'localhost');
    const backend = { applicationId: 'a', host: 'localhost', port, tls: true, validateCertificate: true };
    await using all = await connected();

    await all.tunnel.configure(backend);
    const refused = await codeFor(all);
    await all.tunnel.configure({ ...backend, validateCertificate: false });
    const stream = all.tunnel.open('a');
    const answer = await stream.answered;

    assert.equal(refused.code, 'tls_failed');
    assert.match(refused.detail.error ?? '', /certificate/);
    assert.equal(answer.code, 'ok');
    assert.equal(typeof answer.detail.tlsMs, 'number');
    assert.equal(await stream.over, null);
    assert.equal(stream.received.toString(), 'secret');
    stream.stream.end();
  });

  test('a backend certificate of an authority that the application names, and only for that application', async t => {
    const port = await startTlsBackend(t, 'localhost');
    const backend = { applicationId: 'a', host: 'localhost', port, tls: true, validateCertificate: true };
    const authorities = service.authorities.local.certificate;
    await using all = await connected();

    await all.tunnel.configure({ ...backend, authorities }, { ...backend, applicationId: 'b' });
    const trusted = all.tunnel.open('a');
    const other = all.tunnel.open('b');

    assert.equal((await trusted.answered).code, 'ok');
    assert.equal((await other.answered).code, 'tls_failed');
    assert.equal(await trusted.over, null);
    trusted.stream.end();
  });

  test('what the allow-list of this connector does not permit', async () => {
    await using backend = await TestBackend.start();
    await using all = await connected({ allow: ['10.0.0.0/8', 'wiki.corp:80'] });

    for (const host of ['127.0.0.1', 'localhost', 'app.localhost']) {
      await all.tunnel.configure(backend.configuration('a', host));
      const answer = await codeFor(all);
      assert.equal(answer.code, 'not_allowed', host);
      assert.match(answer.detail.error ?? '', /127\.0\.0\.1.*is not on this connector's allow-list/);
    }
    const event = await all.connector.logged('dial_refused');
    assert.deepEqual([event['id'], event.level, event.code], [3002, 'warn', 'not_allowed']);
    assert.equal(backend.sockets.length, 0);
  });

  test('an allow-list in the file counts as well, and lets through what it names', async () => {
    await using backend = await TestBackend.start(socket => void socket.end('yes'));
    const file = path.join(dataDir, 'Config', 'connector.json');
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify({ allow: [`app.localhost:${backend.port}`] }));
    try {
      await using all = await connected();

      await all.tunnel.configure(
        backend.configuration('a', 'app.localhost'),
        backend.configuration('b', 'localhost'),
      );
      const stream = all.tunnel.open('a');

      assert.equal((await stream.answered).code, 'ok');
      assert.equal((await codeFor(all, 'b')).code, 'not_allowed');
      stream.stream.end();
    } finally {
      writeFileSync(file, '{}');
    }
  });
});

describe('a proxy that leads to backends', () => {
  const settings = (proxy: RawProxy, more: object = {}) =>
    writeFileSync(
      path.join(dataDir, 'Config', 'connector.json'),
      JSON.stringify({ backendProxy: `http://127.0.0.1:${proxy.port}`, ...more }),
    );
  after(() => writeFileSync(path.join(dataDir, 'Config', 'connector.json'), '{}'));

  test('is asked for names that only it knows, and the service is reached without it', async () => {
    await using backend = await TestBackend.start(socket => void socket.pipe(socket));
    await using proxy = await RawProxy.start(() => ({ through: { host: '127.0.0.1', port: backend.port } }));
    settings(proxy);
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a', 'wiki.corp.test'));
    const stream = all.tunnel.open('a');

    const answer = await stream.answered;
    stream.stream.write(Buffer.from('hello'));

    assert.equal(answer.code, 'ok');
    assert.equal(answer.detail.address, `proxy 127.0.0.1:${proxy.port}`);
    assert.equal((await stream.receive(5)).toString(), 'hello');
    assert.deepEqual(
      proxy.heads.map(head => head.split('\r\n')[0]),
      [`CONNECT wiki.corp.test:${backend.port} HTTP/1.1`],
    );
    stream.stream.reset();
  });

  test('carries TLS that the connector itself makes and judges', async t => {
    const port = await startTlsBackend(t, 'wiki.corp.test');
    await using proxy = await RawProxy.start(() => ({ through: { host: '127.0.0.1', port } }));
    settings(proxy);
    await using all = await connected();
    const backend = {
      applicationId: 'a',
      host: 'wiki.corp.test',
      port,
      tls: true,
      validateCertificate: true,
    };

    await all.tunnel.configure(backend);
    const refused = await codeFor(all);
    await all.tunnel.configure({ ...backend, validateCertificate: false });
    const stream = all.tunnel.open('a');
    const answer = await stream.answered;

    assert.equal(refused.code, 'tls_failed');
    assert.match(refused.detail.error ?? '', /certificate/);
    assert.equal(answer.code, 'ok');
    assert.equal(await stream.over, null);
    assert.equal(stream.received.toString(), 'secret');
    stream.stream.end();
  });

  test('does not lend its name to a backend that is given as an address', async t => {
    const port = await startTlsBackend(t, 'localhost');
    await using proxy = await RawProxy.start(() => ({ through: { host: '127.0.0.1', port } }));
    settings(proxy, { backendProxy: `http://localhost:${proxy.port}` });
    await using all = await connected();
    await all.tunnel.configure({
      ...{ applicationId: 'a', host: '10.1.2.3', port: 443, tls: true, validateCertificate: true },
      authorities: service.authorities.local.certificate,
    });

    const answer = await codeFor(all);

    assert.equal(answer.code, 'tls_failed');
    assert.match(answer.detail.error ?? '', /IP: 10\.1\.2\.3 is not in the cert's list/);
  });

  test('is named where it refuses', async () => {
    await using proxy = await RawProxy.start(() => ({ say: 'HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n' }));
    settings(proxy);
    await using backend = await TestBackend.start();
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a', 'wiki.corp.test'));

    const answer = await codeFor(all);

    assert.equal(answer.code, 'unreachable');
    assert.match(
      answer.detail.error ?? '',
      /The proxy 127\.0\.0\.1:\d+ .* refused the connection to wiki\.corp\.test:\d+: 403 No$/,
    );
  });

  test('that does not answer is let go when nobody wants the backend any more', async () => {
    const asked = Promise.withResolvers<void>();
    await using proxy = await RawProxy.start(() => {
      asked.resolve();
      return { say: '' };
    });
    settings(proxy);
    await using backend = await TestBackend.start();
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a', 'wiki.corp.test'));
    const stream = all.tunnel.open('a');
    stream.answered.catch(() => {});
    await asked.promise;

    stream.stream.reset();

    await proxy.empty;
  });

  test('does not widen the allow-list: a name that only it resolves has to be on it by name', async () => {
    await using backend = await TestBackend.start(socket => void socket.end('yes'));
    await using proxy = await RawProxy.start(() => ({ through: { host: '127.0.0.1', port: backend.port } }));
    settings(proxy, { allow: ['127.0.0.0/8', 'wiki.corp.test'] });
    await using all = await connected();

    await all.tunnel.configure(
      backend.configuration('a', 'wiki.corp.test'),
      backend.configuration('b', 'files.corp.test'),
      backend.configuration('c', '169.254.169.254'),
    );
    const stream = all.tunnel.open('a');

    assert.equal((await stream.answered).code, 'ok');
    const answer = await codeFor(all, 'b');
    assert.equal(answer.code, 'not_allowed');
    assert.match(answer.detail.error ?? '', /\(resolved by a proxy\) is not on this connector's allow-list/);
    assert.equal((await codeFor(all, 'c')).code, 'not_allowed');
    assert.equal(proxy.heads.length, 1);
    stream.stream.end();
  });
});

describe('a changed configuration', () => {
  test('is for new streams: those that are open go on', async () => {
    await using backend = await TestBackend.start(socket => void socket.pipe(socket));
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('goes'), backend.configuration('moves', 'localhost'));
    const [goes, moves] = ['goes', 'moves'].map(id => all.tunnel.open(id));
    await Promise.all([goes!.answered, moves!.answered]);

    await all.tunnel.configure(backend.configuration('moves', '127.0.0.1'));

    for (const open of [goes!, moves!]) {
      open.stream.write(Buffer.from('still here'));
      assert.equal((await open.receive(10)).toString(), 'still here');
    }
    assert.equal((await all.tunnel.open('goes').answered).code, 'unknown_application');
    assert.match((await all.tunnel.open('moves').answered).detail.address ?? '', /^127\.0\.0\.1:/);
  });
});

describe('a wildcard', () => {
  const file = () => path.join(dataDir, 'Config', 'connector.json');
  after(() => writeFileSync(file(), '{}'));

  test('is dialled at the host that the preamble names, if it stands for that one', async () => {
    await using backend = await TestBackend.start(socket => void socket.pipe(socket));
    writeFileSync(file(), JSON.stringify({ allow: ['*.corp.localhost', 'other.localhost'] }));
    await using all = await connected();
    await all.tunnel.configure(
      backend.configuration('a', '*.corp.localhost'),
      backend.configuration('b', '*.localhost'),
    );

    assert.equal((await all.tunnel.open('a', 'one.corp.localhost').answered).code, 'ok');
    assert.equal((await all.tunnel.open('a', 'two.deep.corp.localhost').answered).code, 'ok');
    for (const host of [undefined, 'corp.localhost', 'other.localhost', 'x/y.corp.localhost', '127.0.0.1']) {
      assert.equal((await all.tunnel.open('a', host).answered).code, 'not_allowed', host);
    }
    assert.equal((await all.tunnel.open('b', 'other.localhost').answered).code, 'ok');
    assert.equal((await all.tunnel.open('b', 'another.localhost').answered).code, 'not_allowed');
  });
});

describe('bytes in bulk', () => {
  const size = 100 * 1024 * 1024;

  test('100 MB go both ways at once, byte for byte', async () => {
    await using backend = await TestBackend.start(socket => void socket.pipe(socket));
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a'));
    const stream = all.tunnel.open('a');
    const sent = createHash('sha256');
    const received = createHash('sha256');
    stream.onBytes = bytes => void received.update(bytes);
    await stream.answered;

    let left = size;
    const block = randomBytes(1024 * 1024 + 13);
    const pump = () => {
      while (left > 0) {
        const bytes = Buffer.from(block.subarray(0, Math.min(left, block.length)));
        bytes.writeUInt32BE(left >>> 0, 0);
        left -= bytes.length;
        sent.update(bytes);
        if (!stream.stream.write(bytes)) return;
      }
      stream.stream.end();
    };
    stream.stream.onDrain = pump;
    pump();

    assert.equal(await stream.over, null);
    assert.equal(stream.receivedBytes, size);
    assert.equal(received.digest('hex'), sent.digest('hex'));
    assert.equal((await all.tunnel.hear('ended')).bytesWritten, size);
  });

  test('a client that does not read stops the backend, not the connector', async () => {
    let written = 0;
    const stopped = Promise.withResolvers<Socket>();
    const block = Buffer.alloc(64 * 1024, 7);
    await using backend = await TestBackend.start(socket => {
      let quiet: NodeJS.Timeout;
      const pump = () => {
        clearTimeout(quiet);
        let hasRoom = true;
        while (hasRoom && written < size) {
          written += block.length;
          hasRoom = socket.write(block);
        }
        if (written >= size) return void socket.end();
        // No drain for this long: everything on the way is full.
        quiet = setTimeout(() => stopped.resolve(socket), 1_500);
      };
      socket.on('drain', pump);
      pump();
    });
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a'));
    const stream = all.tunnel.open('a');
    stream.onBytes = () => {};
    stream.isReading = false;

    await stopped.promise;
    const unreadAt = written;
    stream.resume();

    assert.equal(await stream.over, null);
    // The window of a stream that nobody reads is 256 KiB; the rest are buffers of sockets on the way.
    assert.ok(unreadAt < 32 * 1024 * 1024, `${unreadAt} bytes were on the way`);
    assert.ok(stream.receivedBytes >= size);
  });

  test('a backend that does not read stops the service, not the connector', async () => {
    await using backend = await TestBackend.start(socket => void socket.pause());
    await using all = await connected();
    await all.tunnel.configure(backend.configuration('a'));
    const arrived = backend.next();
    const stream = all.tunnel.open('a');
    const socket = await arrived;
    await stream.answered;
    const block = Buffer.alloc(64 * 1024, 7);
    let written = 0;
    const stopped = Promise.withResolvers<void>();
    let quiet: NodeJS.Timeout | undefined;
    const pump = () => {
      clearTimeout(quiet);
      let hasRoom = true;
      while (hasRoom && written < size) {
        written += block.length;
        hasRoom = stream.stream.write(block);
      }
      if (written >= size) return stream.stream.end();
      quiet = setTimeout(() => stopped.resolve(), 1_500);
    };
    stream.stream.onDrain = pump;
    pump();

    await stopped.promise;
    assert.ok(written < 32 * 1024 * 1024, `${written} bytes were on the way`);
    // Others are served meanwhile.
    assert.equal((await all.tunnel.open('none').answered).code, 'unknown_application');

    let taken = 0;
    socket.on('data', (bytes: Buffer) => {
      taken += bytes.length;
    });
    socket.on('end', () => void socket.end());
    socket.resume();
    assert.equal(await stream.over, null);
    assert.equal(taken, written);
  });
});

describe('a connector that is told to stop', () => {
  test('tells the service, finishes what is in flight, and ends', async () => {
    await using backend = await TestBackend.start(socket => void socket.pipe(socket));
    await using all = await connected({ drainMs: 60_000 });
    await all.tunnel.configure(backend.configuration('a'));
    const stream = all.tunnel.open('a');
    stream.stream.write(Buffer.from('one '));
    await stream.receive(4);

    const stopped = all.connector.stop();
    await all.tunnel.hear('draining');
    stream.stream.write(Buffer.from('two'));
    stream.stream.end();

    assert.equal(await stream.over, null);
    assert.equal(stream.received.toString(), 'one two');
    await stopped;
    await all.tunnel.closed;
    assert.equal((await readConnectorStatus({ dataDir })).isRunning, false);
  });

  test('cuts what has not ended when its time is over, and says so', async () => {
    await using backend = await TestBackend.start();
    await using all = await connected({ drainMs: 300 });
    await all.tunnel.configure(backend.configuration('a'));
    const stream = all.tunnel.open('a');
    await stream.answered;

    await all.connector.stop();

    assert.notEqual(await stream.over, null);
    assert.equal((await all.tunnel.hear('ended')).reason, 'connector_stopping');
  });

  test('while it is not connected, ends at once', async () => {
    await service.cut();
    try {
      const connector = new Running(dataDir, { drainMs: 60_000 });
      await connector.logged('tunnel_failed');

      await connector.stop();
    } finally {
      await service.listen();
    }
  });
});

describe('what keeps a connector from starting', () => {
  test('an entry of the allow-list that cannot be understood', async () => {
    await assert.rejects(runConnector({ dataDir, allow: ['10.0.0.0/99'] }), RangeError);
  });

  test('a settings file that cannot be understood', async () => {
    const file = path.join(dataDir, 'Config', 'connector.json');
    try {
      for (const text of ['', '[]', '{"allow":"10.0.0.0/8"}', '{"alow":[]}']) {
        writeFileSync(file, text);
        await assert.rejects(runConnector({ dataDir }), RangeError, text);
      }
    } finally {
      writeFileSync(file, '{}');
    }
  });

  test('a folder without a connector', async () => {
    await assert.rejects(runConnector({ dataDir: service.dataDir('nothing') }), { code: 'not_registered' });
  });
});

test('the status of a connector that has never run is what its files say', async () => {
  const folder = service.dataDir('never-run');
  const { connectorId, thumbprint } = await register(folder);

  const status = await readConnectorStatus({ dataDir: folder });

  assert.equal(status.isRunning, false);
  assert.deepEqual([status.connectorId, status.certificate.thumbprint], [connectorId, thumbprint]);
  assert.match(readFileSync(path.join(folder, 'Config', 'service.json'), 'utf8'), /"machineName": "srv-01"/);
});
