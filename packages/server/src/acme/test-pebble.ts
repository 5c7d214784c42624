import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TestAuthority } from '../domains/test-authority.ts';

export interface PebbleOptions {
  /** Where names are looked up, such as `127.0.0.1:5353`. */
  readonly nameServer: string;
  /** Ports at which it validates http-01 and tls-alpn-01. */
  readonly httpPort: number;
  readonly tlsPort: number;
  /** Demands an external account: key id → key in base64url. */
  readonly externalAccounts?: Readonly<Record<string, string>>;
  /** Per cent of good nonces that it refuses; default 20, so that a client has to try again. */
  readonly nonceRejects?: number;
}

/** Debian's pebble: Let's Encrypt's ACME server for tests, which none of us wrote. */
export interface Pebble extends AsyncDisposable {
  readonly directoryUrl: string;
  /** PEM file of the authority of its own TLS certificate. */
  readonly caFile: string;
  /** The root of what it issues, PEM. */
  root(): Promise<string>;
}

export async function startPebble(options: PebbleOptions): Promise<Pebble> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-pebble-'));
  const file = (name: string) => path.join(folder, name);
  using authority = new TestAuthority();
  const { certificate, key } = authority.issue({ names: ['localhost'] });
  writeFileSync(file('cert.pem'), certificate + authority.intermediate);
  writeFileSync(file('key.pem'), key);
  writeFileSync(file('ca.pem'), authority.root);
  const [port, managementPort] = await freePorts();
  const { httpPort, tlsPort, externalAccounts } = options;
  const pebble = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${managementPort}`,
    certificate: file('cert.pem'),
    privateKey: file('key.pem'),
    httpPort,
    tlsPort,
    ocspResponderURL: '',
    externalAccountBindingRequired: externalAccounts !== undefined,
    externalAccountMACKeys: externalAccounts ?? {},
  };
  writeFileSync(file('config.json'), JSON.stringify({ pebble }));
  const child = spawn('pebble', ['-config', file('config.json'), '-dnsserver', options.nameServer], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'] ?? '',
      PEBBLE_VA_NOSLEEP: '1',
      PEBBLE_WFE_NONCEREJECT: String(options.nonceRejects ?? 20),
      PEBBLE_AUTHZREUSE: '0',
    },
  });
  await untilSaid(child, 'ACME directory available');
  return {
    directoryUrl: `https://localhost:${port}/dir`,
    caFile: file('ca.pem'),
    root: () => fetchText(managementPort, '/roots/0', authority.root),
    async [Symbol.asyncDispose]() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true });
    },
  };
}

async function untilSaid(child: ChildProcess, wanted: string): Promise<void> {
  let said = '';
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const hear = (text: string) => {
    said += text;
    if (said.includes(wanted)) resolve();
  };
  child.stdout!.setEncoding('utf8').on('data', hear);
  child.stderr!.setEncoding('utf8').on('data', hear);
  child.once('error', reject);
  child.once('exit', () => reject(new Error(`pebble ended:\n${said}`)));
  await promise;
}

async function fetchText(port: number, address: string, ca: string): Promise<string> {
  const asked = request({
    host: '127.0.0.1',
    port,
    path: address,
    ca,
    servername: 'localhost',
    agent: false,
  });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [AsyncIterable<Buffer>];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Two that were free a moment ago. */
async function freePorts(): Promise<[number, number]> {
  const servers = [net.createServer().listen(0, '127.0.0.1'), net.createServer().listen(0, '127.0.0.1')];
  await Promise.all(servers.map(server => once(server, 'listening')));
  const [one, other] = servers.map(server => (server.address() as net.AddressInfo).port);
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return [one!, other!];
}
