/** No secret is ever written down: not in a log, a status file, an answer or an error, whatever goes wrong. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RawBackend } from '../testbed/raw-backend.ts';
import { end, freePorts, Journal, startTestbed, type Testbed } from '../testbed/testbed.ts';

const postern = path.join(import.meta.dirname, '../../packages/cli/bin/postern.mjs');
const profile = '/onPremisesPublishingProfiles/applicationProxy';
const formType = 'Content-Type: application/x-www-form-urlencoded';

const wrongPassword = 'Wr0ng-passw0rd-of-ada';
const typedIntoName = 'passw0rd-in-the-field-of-the-name';
const wrongToken = 'wr0ng-token-7f3a9c5e1b2d4f6081a2b3c4d5e6f708';
const proxyPassword = 'Pr0xy-passw0rd-5e6f';
const mailPassword = 'Ma1l-passw0rd-9a8b';
const webhookSecret = 'webhook-s3cret-1c2d3e';
const webhookPath = 'T0KEN-in-the-path-of-a-hook';
const secretInQuery = 's3cret-in-a-query';
const backendCookie = 's3ssion-of-the-backend';

describe('a whole run with every secret there is', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-no-secrets-'));
  const secrets = new Map<string, string>([
    ['wrong password', wrongPassword],
    ['password in the name', typedIntoName],
    ['wrong token', wrongToken],
    ['password of the outbound proxy', proxyPassword],
    ['the same as it is sent', Buffer.from(`connector:${proxyPassword}`).toString('base64')],
    ['mail password', mailPassword],
    ['webhook secret', webhookSecret],
    ['path of a webhook', webhookPath],
    ['query of a request', secretInQuery],
    ['cookie of the backend', backendCookie],
  ]);
  /** Everything that a program has printed. */
  const said = new Journal();
  let backend: RawBackend;
  let bed: Testbed;
  let proxy: ConnectProxy;
  let connector: ChildProcess;
  const dataDir = path.join(folder, 'connector');

  before(async () => {
    backend = await RawBackend.start();
    const [port] = await freePorts(1);
    bed = await startTestbed({
      // Names below localhost would not go through a proxy.
      domain: 'bed.test',
      connectors: 0,
      applications: [{ name: 'wiki', internalUrl: backend.url }],
      config: {
        log: { level: 'debug', accessLog: true },
        mail: {
          host: 'localhost',
          port,
          user: 'postern',
          passwordFile: fileOf('mail-password', mailPassword),
          from: 'postern@example.test',
          to: ['it@example.test'],
        },
        webhooks: [
          {
            url: `https://localhost:${port}/${webhookPath}`,
            secretFile: fileOf('webhook-secret', webhookSecret),
          },
        ],
      },
    });
    secrets.set('password', bed.administrator.password);
    proxy = await ConnectProxy.start();
    mkdirSync(path.join(dataDir, 'Config'), { recursive: true, mode: 0o700 });
    writeFileSync(
      path.join(dataDir, 'Config', 'connector.json'),
      JSON.stringify({
        sessionLog: true,
        outboundProxy: `http://connector@127.0.0.1:${proxy.port}`,
        outboundProxyPasswordFile: fileOf('proxy-password', proxyPassword),
      }),
    );
  });

  after(async () => {
    if (connector) await end(connector);
    await proxy?.[Symbol.asyncDispose]();
    await bed?.[Symbol.asyncDispose]();
    await backend?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  function fileOf(name: string, text: string): string {
    const file = path.join(folder, name);
    writeFileSync(file, `${text}\n`, { mode: 0o600 });
    return file;
  }

  function start(args: readonly string[], input = '', nodeOptions: readonly string[] = []): ChildProcess {
    const child = spawn(process.execPath, [...nodeOptions, postern, ...args], {
      stdio: 'pipe',
      env: { PATH: process.env['PATH'], TMPDIR: folder, POSTERN_CONFIG_DIR: path.join(folder, 'cli') },
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => said.push(text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => said.push(text));
    child.stdin.on('error', () => {}).end(input);
    return child;
  }

  async function run(
    args: readonly string[],
    input?: string,
    nodeOptions?: readonly string[],
  ): Promise<number> {
    const [code] = await once(start(args, input, nodeOptions), 'close');
    return code;
  }

  /** Runs a command of an administrator, whose machine finds the service without a proxy. */
  function runOutside(args: readonly string[], input?: string): Promise<number> {
    return run(args, input, ['--require', fileOf('resolve.cjs', resolveToLoopback)]);
  }

  const service = () => ['--service', `${bed.domain}:${bed.port}`, '--ca-file', bed.caFile];
  const register = (token: string) =>
    run(
      [
        'connector',
        'register',
        '--data',
        dataDir,
        '--key',
        'p384',
        '--token-file',
        '-',
        '--verbose',
        ...service(),
      ],
      token,
    );

  test('works, and meets every kind of failure on its way', async () => {
    const { name, password } = bed.administrator;
    const login = (text: string, user = name) =>
      runOutside(['login', ...service(), '--user', user, '--password-stdin', '--verbose'], `${text}\n`);
    assert.notEqual(await login(wrongPassword), 0);
    assert.notEqual(await login(password, typedIntoName), 0);
    assert.equal(await login(password), 0);

    const token = await bed.token();
    secrets.set('access token', token);
    assert.notEqual(await register(wrongToken), 0);
    assert.equal(await register(token), 0);
    const made = await bed.api('POST', `${profile}/enrolmentTokens`, {});
    const enrolmentToken = (made.body as { token: string }).token;
    secrets.set('enrolment token', enrolmentToken);
    secrets.set('its inner part', enrolmentToken.slice(-40, -10));
    assert.equal(await register(enrolmentToken), 0);
    assert.ok(proxy.authorized > 0);

    connector = start(['connector', 'run', '--data', dataDir, '--log-level', 'debug']);
    await said.until('"tunnel_connected"');

    const host = bed.hostOf('wiki');
    const cookie = bed.cookie('wiki');
    secrets.set('session', cookie.split('=')[1]!);
    const answer = await bed.exchange(
      host,
      `GET /?key=${secretInQuery} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}; own=${backendCookie}\r\nConnection: close\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 200 /);

    const loginHost = `login.${bed.domain}`;
    const added = await bed.api('POST', `/applications/${bed.applicationId('wiki')}/addPassword`, {});
    const { clientId, secretText } = added.body as { clientId: string; secretText: string };
    const basic = Buffer.from(`${clientId}:${secretText}`).toString('base64');
    secrets.set('client secret', secretText);
    secrets.set('client secret as it is sent', basic);
    const grant = 'grant_type=client_credentials';
    const granted = await bed.exchange(
      loginHost,
      `POST /token HTTP/1.1\r\nHost: ${loginHost}:${bed.port}\r\nAuthorization: Basic ${basic}\r\n` +
        `${formType}\r\nContent-Length: ${grant.length}\r\nConnection: close\r\n\r\n${grant}`,
    );
    const applicationToken = /"access_token":"([^"]+)"/.exec(granted)![1]!;
    secrets.set('access token for an application', applicationToken);
    secrets.set('its signature', applicationToken.split('.')[2]!);
    for (const authorization of [
      `Basic ${basic}`,
      `Bearer ${applicationToken}`,
      `Bearer ${applicationToken}x`,
    ]) {
      await bed.exchange(
        host,
        `GET / HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n`,
      );
    }

    for (const [username, typed] of [
      [name, wrongPassword],
      [typedIntoName, password],
    ] as const) {
      const form = new URLSearchParams({
        username,
        password: typed,
        newPassword: `${password} and more`,
        again: `${password} and more`,
      }).toString();
      const origin = `https://${loginHost}:${bed.port}`;
      await bed.exchange(
        loginHost,
        `POST /password HTTP/1.1\r\nHost: ${loginHost}:${bed.port}\r\nOrigin: ${origin}\r\nSec-Fetch-Site: same-origin\r\n` +
          `${formType}\r\nContent-Length: ${form.length}\r\nConnection: close\r\n\r\n${form}`,
      );
    }

    // Nobody listens there: both channels fail, and say why.
    assert.equal(await runOutside(['alert', 'test']), 1);
    assert.equal(await run(['connector', 'status', '--data', dataDir, '--json']), 0);
    assert.equal(await run(['connector', 'events', '--data', dataDir, '--since', '1h']), 0);
    await end(connector);
  });

  test('has written none of them down', async () => {
    const places = new Map<string, string>([
      ['what programs printed', said.text],
      ["the service's log", bed.serviceLog()],
      ...filesBelow(path.join(dataDir, 'logs')),
      ...filesBelow(path.join(dataDir, 'run')),
      // Logs of single commands, beside the files that hold the secrets on purpose.
      ...[...filesBelow(folder)].filter(([file]) => file.endsWith('.log')),
    ]);
    assert.match(places.get("the service's log")!, /"sign_in_failed"[\s\S]*"user_signed_in"/);
    assert.match(places.get(path.join(dataDir, 'logs', 'session.jsonl'))!, /"answered"/);
    assert.match(places.get(path.join(dataDir, 'run', 'status.json'))!, /"stopped"/);

    for (const [place, text] of places) {
      assert.ok(text.length > 0, place);
      for (const [what, secret] of secrets) {
        assert.ok(secret.length >= 8, what);
        assert.ok(!text.includes(secret), `${what} is in ${place}`);
        assert.ok(!text.includes(encodeURIComponent(secret)), `${what} is in ${place}, encoded`);
      }
      assert.doesNotMatch(text, /PRIVATE KEY/, place);
    }
  });
});

const resolveToLoopback = `const dns = require('node:dns');
dns.lookup = (name, options, done) => {
  const { all } = typeof options === 'object' ? options : {};
  const answer = all ? [[{ address: '127.0.0.1', family: 4 }]] : ['127.0.0.1', 4];
  process.nextTick(() => (done ?? options)(null, ...answer));
};
require('node:module').syncBuiltinESMExports();`;

function filesBelow(root: string): Map<string, string> {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map(name => path.join(root, name))
    .filter(file => statSync(file).isFile());
  return new Map(files.map(file => [file, readFileSync(file, 'utf8')]));
}

/** An HTTP proxy that wants a password, and passes CONNECT on. */
class ConnectProxy implements AsyncDisposable {
  authorized = 0;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor() {
    this.#server = net.createServer(client => this.#serve(client));
  }

  static async start(): Promise<ConnectProxy> {
    const proxy = new ConnectProxy();
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  #serve(client: net.Socket): void {
    this.#sockets.add(client);
    client.on('error', () => client.destroy());
    let head = '';
    const onData = (bytes: Buffer) => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      client.removeListener('data', onData);
      const expected = `proxy-authorization: basic ${Buffer.from(`connector:${proxyPassword}`).toString('base64')}`;
      if (!head.toLowerCase().includes(expected.toLowerCase())) {
        client.end(
          'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="test"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
        );
        return;
      }
      this.authorized += 1;
      const port = Number(/^CONNECT [^ ]*:(\d+) /.exec(head)?.[1]);
      const far = net.connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 Connected\r\n\r\n');
        client.pipe(far).pipe(client);
      });
      this.#sockets.add(far);
      far.on('error', () => client.destroy());
      far.on('close', () => client.destroy());
      client.on('close', () => far.destroy());
    };
    client.on('data', onData);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
