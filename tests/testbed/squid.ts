import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { end, freePorts } from './testbed.ts';

export interface SquidOptions {
  /** What it asks for; default: nothing. */
  readonly authentication?: 'basic' | 'digest';
  /** Ports that CONNECT may go to; others are refused with 403. */
  readonly connectPorts: readonly number[];
  /** Where it listens; default: a free port of the loopback. */
  readonly address?: string;
  readonly port?: number;
  /** What it is started through: in a network of its own, say. */
  readonly through?: readonly string[];
  /** With it, Squid is spoken to over TLS; PEM. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Addresses of names, which nobody but the proxy has to know. */
  readonly hosts?: Readonly<Record<string, string>>;
}

const loopback = '127.0.0.1';

/** Who may pass where Squid asks. */
export const proxyUser = 'connector-7';
export const proxyPassword = 'the proxy: 1 p@ss "word"';

/** Debian's Squid as an ordinary process on the loopback, with its files in a folder of its own. */
export class Squid implements AsyncDisposable {
  readonly port: number;
  readonly #address: string;
  readonly #through: readonly string[];
  readonly #folder: string;
  #process: ChildProcess;

  private constructor(port: number, folder: string, { address, through = [] }: SquidOptions) {
    this.port = port;
    this.#address = address ?? loopback;
    this.#through = through;
    this.#folder = folder;
    this.#process = this.#spawn();
  }

  static async start(options: SquidOptions): Promise<Squid> {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-squid-'));
    // Squid gives up root's rights by itself and has to reach its files then.
    chmodSync(folder, 0o777);
    const port = options.port ?? (await freePorts(1))[0]!;
    writeConfiguration(folder, port, options);
    const squid = new Squid(port, folder, options);
    await squid.#ready();
    return squid;
  }

  /** What it has let pass and refused, a line each: method and target, status, user. */
  get accessLog(): string {
    return readFileSync(path.join(this.#folder, 'access.log'), 'utf8');
  }

  /** Ends it as a crash would, connections and all. */
  async stop(): Promise<void> {
    await end(this.#process, 'SIGKILL');
  }

  /** On the same port as before. */
  async startAgain(): Promise<void> {
    this.#process = this.#spawn();
    await this.#ready();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(): ChildProcess {
    const command = [...this.#through, 'squid', '-N', '-f', path.join(this.#folder, 'squid.conf')];
    return spawn(command[0]!, command.slice(1), {
      stdio: 'ignore',
      cwd: this.#folder,
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` },
    });
  }

  async #ready(): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt++) {
      if (await accepts(this.#address, this.port)) return;
      if (this.#process.exitCode !== null) break;
      await delay(50);
    }
    throw new Error(
      `squid does not accept connections:\n${readFileSync(path.join(this.#folder, 'cache.log'), 'utf8')}`,
    );
  }
}

function writeConfiguration(folder: string, port: number, options: SquidOptions): void {
  const file = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text, { mode: 0o644 });
    return path.join(folder, name);
  };
  const hosts = Object.entries(options.hosts ?? {}).map(([name, address]) => `${address} ${name}\n`);
  const listen = `${options.address ?? loopback}:${port}`;
  const lines = [
    options.tls === undefined
      ? `http_port ${listen}`
      : `https_port ${listen} tls-cert=${file('tls.pem', options.tls.cert)} tls-key=${file('tls.key', options.tls.key)}`,
    'visible_hostname squid.test',
    `pid_filename ${folder}/squid.pid`,
    `cache_log ${folder}/cache.log`,
    'logformat short %rm %ru %>Hs %un',
    `access_log stdio:${folder}/access.log short`,
    `coredump_dir ${folder}`,
    'cache deny all',
    'pinger_enable off',
    `hosts_file ${file('hosts', hosts.join(''))}`,
    ...authentication(options, file),
    `acl open_ports port ${options.connectPorts.join(' ')}`,
    'http_access deny !open_ports',
    ...(options.authentication
      ? ['acl known proxy_auth REQUIRED', 'http_access allow known']
      : ['http_access allow all']),
    'http_access deny all',
  ];
  file('squid.conf', `${lines.join('\n')}\n`);
}

function authentication(options: SquidOptions, file: (name: string, text: string) => string): string[] {
  const realm = 'The test’s proxy';
  switch (options.authentication) {
    case 'basic': {
      const hashed = execFileSync('openssl', ['passwd', '-apr1', '-stdin'], { input: `${proxyPassword}\n` });
      const passwords = file('basic', `${proxyUser}:${hashed}`);
      return [
        `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${passwords}`,
        'auth_param basic children 1',
        `auth_param basic realm ${realm}`,
      ];
    }
    case 'digest': {
      const hashed = createHash('md5').update(`${proxyUser}:${realm}:${proxyPassword}`).digest('hex');
      const passwords = file('digest', `${proxyUser}:${realm}:${hashed}\n`);
      return [
        `auth_param digest program /usr/lib/squid/digest_file_auth -c ${passwords}`,
        'auth_param digest children 1',
        `auth_param digest realm ${realm}`,
      ];
    }
    case undefined:
      return [];
  }
}

function accepts(address: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(port, address);
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
