import { randomInt } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildPortalIfStale } from '../../scripts/build-portal.ts';
import { QuickStartError } from './failure.ts';
import { canListen, portOf } from './ports.ts';
import {
  childrenOf,
  endProgram,
  type Running,
  runCommand,
  startProgram,
  tryCommand,
  unexpectedEnd,
} from './processes.ts';
import { fetchWithAuthority, type ServiceAnswer } from './service-request.ts';

/** The JSON line of `npm start -- --json`. */
export interface Ready {
  readonly portal: string;
  readonly login: string;
  readonly application: string;
  readonly passthroughApplication: string;
  readonly adminUser: string;
  /** Null once the administrator has chosen another. */
  readonly adminPassword: string | null;
  readonly caFile: string;
  /** Relay and control process. */
  readonly serverPids: readonly number[];
  readonly connectorPid: number;
  readonly dataDir: string;
}

const domain = 'postern.localhost';
const usualPorts: Ports = { public: 8443, http: 8080, private: 9440 };
const adminUser = `admin@${domain}`;
const root = path.resolve(import.meta.dirname, '../..');
const postern = path.join(root, 'packages/cli/bin/postern.mjs');
/** How long a part may take to come up on a slow machine. */
const readyMs = 120_000;

/** Where the service listens: for browsers and connectors, for plain HTTP, for metrics and health. */
export interface Ports {
  readonly public: number;
  readonly http: number;
  readonly private: number;
}

export interface QuickStartOptions {
  readonly progress: (text: string) => void;
  /** Folder of everything that is made; `.postern` in the repository where it is left out. */
  readonly dataDir?: string;
  /** For the first start; later ones listen where the first did. */
  readonly ports?: Ports;
}

/** What is remembered between two starts. */
interface State {
  readonly ports: Ports;
  /** Where the sample site listens. */
  readonly sitePort: number;
  /** The connector is registered and the applications are published. */
  readonly isComplete: boolean;
}

/** Everything that `npm start` runs, from the first start to Ctrl-C. */
export class QuickStart {
  readonly #progress: (text: string) => void;
  readonly #dataDir: string;
  readonly #firstPorts: Ports;
  readonly #running: Running[] = [];
  readonly #atOnce = new AbortController();
  #stopping: Promise<void> | undefined;

  constructor({ progress, dataDir, ports }: QuickStartOptions) {
    this.#progress = progress;
    this.#dataDir = path.resolve(dataDir ?? path.join(root, '.postern'));
    this.#firstPorts = ports ?? usualPorts;
  }

  get isStopping(): boolean {
    return this.#stopping !== undefined;
  }

  /** @throws QuickStartError where this machine lacks something; it says what to do. */
  async start(): Promise<Ready> {
    this.#prepareFolder();
    const configFile = path.join(this.#dataDir, 'postern.yaml');
    const addresses = await this.#requirePorts();
    // Written before anything listens, so that every later start uses the same ports.
    this.#saveState(this.#state);
    const [link] = await Promise.all([
      existsSync(configFile) ? undefined : this.#init(configFile, addresses),
      // The service reads what was built when it starts.
      buildPortalIfStale(),
    ]);

    const service = this.#run('the service', 'service', [postern, 'serve', '--config', configFile]);
    await this.#until(service, 'the service answers', async () => {
      const answer = await fetch(`http://127.0.0.1:${this.#state.ports.private}/health`, {
        signal: AbortSignal.timeout(5_000),
      });
      return answer.ok;
    });
    const site = await this.#startSite();
    const adminPassword = this.#state.isComplete
      ? await this.#checkPassword()
      : await this.#complete(configFile, link, site.port);
    const connector = this.#run('the connector', 'connector', [
      ...[postern, 'connector', 'run', '--data', this.#connectorDir],
    ]);
    await this.#until(connector, 'the sample site answers through the connector', async () => {
      const answer = await this.#request(this.#origin('status'), 'GET');
      return answer.status === 200;
    });
    return this.#ready(service, connector, adminPassword);
  }

  /** Rejects as soon as one of the processes ends by itself; resolves when everything was told to end. */
  async ended(): Promise<void> {
    const stopped = new Promise<void>(resolve => this.#onStop.push(resolve));
    await Promise.race([stopped, ...this.#running.map(unexpectedEnd)]);
    await this.#stopping;
  }

  /** Ends connector, service and site, in this order, so that requests in flight are finished. */
  async stop({ atOnce }: { readonly atOnce: boolean }): Promise<void> {
    if (atOnce) this.#atOnce.abort();
    this.#stopping ??= this.#endAll();
    for (const resolve of this.#onStop.splice(0)) resolve();
    await this.#stopping;
  }

  readonly #onStop: (() => void)[] = [];

  async #endAll(): Promise<void> {
    for (const name of ['the connector', 'the service', 'the sample site']) {
      const running = this.#running.find(candidate => candidate.name === name);
      if (running) await endProgram(running, 45_000, this.#atOnce.signal);
    }
  }

  #prepareFolder(): void {
    try {
      mkdirSync(path.join(this.#dataDir, 'logs'), { recursive: true, mode: 0o700 });
      accessSync(this.#dataDir, constants.W_OK);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? 'error';
      throw new QuickStartError(
        `${this.#dataDir} cannot be written to (${code}): clone the repository into a folder of your own and start there.`,
      );
    }
  }

  // Asked before anything is started, so that the sentence is about the port and not about a program that failed.
  async #requirePorts(): Promise<readonly string[]> {
    const hosts = (await canListen('::1', 0)) ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
    const { ports } = this.#state;
    for (const port of [ports.public, ports.http, ports.private]) {
      for (const host of port === ports.private ? ['127.0.0.1'] : hosts) {
        if (await canListen(host, port)) continue;
        throw new QuickStartError(
          `Port ${port} of ${host} is taken: end the program that uses it (\`ss -ltnp 'sport = :${port}'\` shows which) and run npm start again, or choose others for a new set-up: npm start -- --ports 9443,9080,9441`,
        );
      }
    }
    return hosts;
  }

  async #init(configFile: string, hosts: readonly string[]): Promise<string> {
    this.#progress('Setting up the service …');
    const { ports } = this.#state;
    const addresses = (port: number) =>
      hosts.map(host => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)).join(',');
    const output = await runCommand(
      [
        ...[postern, 'init', '--json', '--domain', domain, '--certificates', 'local', '--admin', adminUser],
        ...['--config', configFile, '--data', this.#dataDir, '--public-port', String(ports.public)],
        ...[
          '--https',
          addresses(ports.public),
          '--http',
          addresses(ports.http),
          '--private',
          `127.0.0.1:${ports.private}`,
        ],
      ],
      this.#environment,
    );
    const { setUpLink }: { setUpLink: string } = JSON.parse(output);
    return setUpLink;
  }

  // The port stays the same, because the published applications name it.
  async #startSite(): Promise<{ readonly port: number }> {
    const { sitePort } = this.#state;
    if (sitePort !== 0 && !(await canListen('127.0.0.1', sitePort))) {
      throw new QuickStartError(
        `Port ${sitePort} of 127.0.0.1, where the sample site was published, is taken: end the program that uses it, or remove ${this.#dataDir} to start anew.`,
      );
    }
    const program = path.join(import.meta.dirname, 'sample-site.ts');
    const site = this.#run('the sample site', 'sample-site', [program, String(sitePort)]);
    const port = await portOf(site, readyMs);
    this.#saveState({ ...this.#state, sitePort: port });
    return { port };
  }

  /** The rest of the first start, with the commands that an administrator types. */
  async #complete(configFile: string, setUpLink: string | undefined, sitePort: number): Promise<string> {
    this.#progress('Creating the administrator …');
    const password = makePassword();
    writeFileSync(this.#passwordFile, `${password}\n`, { mode: 0o600 });
    // An earlier start may have ended between two steps: what a link was used for is then asked for again.
    await this.#choosePassword(setUpLink ?? (await this.#recoveryLink(configFile)), password);
    await this.#logIn(password);
    if (!existsSync(path.join(this.#connectorDir, 'Config', 'TrustSettings.xml'))) {
      this.#progress('Registering the connector …');
      await this.#command(['connector', 'register', '--data', this.#connectorDir, '--name', machineName()]);
    }
    this.#progress('Publishing the sample site …');
    const internalUrl = `http://127.0.0.1:${sitePort}/`;
    await this.#command(['app', 'publish', 'Wiki', '--internal-url', internalUrl, '--assign', adminUser]);
    await this.#command([
      'app',
      'publish',
      'Status',
      '--internal-url',
      internalUrl,
      '--passthrough',
      '--everyone',
    ]);
    this.#saveState({ ...this.#state, isComplete: true });
    return password;
  }

  async #recoveryLink(configFile: string): Promise<string> {
    const output = await runCommand(
      [postern, 'admin', 'recover', '--json', '--user', adminUser, '--config', configFile],
      this.#environment,
    );
    const { link }: { link: string } = JSON.parse(output);
    return link;
  }

  // What a browser sends from the page that the link opens.
  async #choosePassword(link: string, password: string): Promise<void> {
    const url = new URL(link);
    const form = new URLSearchParams({
      secret: url.searchParams.get('secret') ?? '',
      newPassword: password,
      again: password,
    });
    const answer = await this.#request(`${url.origin}${url.pathname}`, 'POST', {
      body: form.toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: url.origin },
    });
    if (answer.status === 200) return;
    throw new QuickStartError(
      `The administrator's password could not be set (status ${answer.status}): look into ${this.#logFile('service')}, or remove ${this.#dataDir} to start anew.`,
    );
  }

  async #logIn(password: string): Promise<void> {
    await runCommand(this.#logInCommand, this.#environment, `${password}\n`);
  }

  /** The generated password, for as long as it is the administrator's. */
  async #checkPassword(): Promise<string | null> {
    if (!existsSync(this.#passwordFile)) return null;
    const password = readFileSync(this.#passwordFile, 'utf8').trimEnd();
    const notSignedIn = 3;
    const { code } = await tryCommand(this.#logInCommand, this.#environment, `${password}\n`);
    if (code !== notSignedIn) return password;
    rmSync(this.#passwordFile);
    return null;
  }

  get #logInCommand(): readonly string[] {
    return [
      ...[postern, 'login', '--service', this.#service, '--ca-file', this.#authorityFile],
      ...['--user', adminUser, '--password-stdin'],
    ];
  }

  #command(parameters: readonly string[]): Promise<string> {
    return runCommand([postern, ...parameters, '--service', this.#service], this.#environment);
  }

  #run(name: string, log: string, parameters: readonly string[]): Running {
    const running = startProgram({
      name,
      parameters,
      environment: this.#environment,
      logFile: this.#logFile(log),
    });
    this.#running.push(running);
    return running;
  }

  async #until(running: Running, what: string, isReady: () => Promise<boolean>): Promise<void> {
    this.#progress(`Waiting until ${what} …`);
    const done = new AbortController();
    const poll = async () => {
      const deadline = performance.now() + readyMs;
      while (performance.now() < deadline && !done.signal.aborted) {
        if (await isReady().catch(() => false)) return;
        await delay(100);
      }
      throw new QuickStartError(
        `Waited ${readyMs / 1000} s until ${what}, in vain: look into ${path.dirname(running.logFile)}.`,
      );
    };
    try {
      await Promise.race([poll(), unexpectedEnd(running)]);
    } finally {
      done.abort();
    }
  }

  #request(
    url: string,
    method: string,
    content?: { readonly body: string; readonly headers: Readonly<Record<string, string>> },
  ): Promise<ServiceAnswer> {
    return fetchWithAuthority(url, { method, authorityFile: this.#authorityFile, ...content });
  }

  #ready(service: Running, connector: Running, adminPassword: string | null): Ready {
    const relay = service.child.pid ?? 0;
    return {
      portal: this.#origin('portal'),
      login: this.#origin('login'),
      application: this.#origin('wiki'),
      passthroughApplication: this.#origin('status'),
      adminUser,
      adminPassword,
      caFile: this.#authorityFile,
      serverPids: [relay, ...childrenOf(relay)],
      connectorPid: connector.child.pid ?? 0,
      dataDir: this.#dataDir,
    };
  }

  // Variables of Postern that the person has set are about another service.
  get #environment(): NodeJS.ProcessEnv {
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith('POSTERN_'));
    return { ...Object.fromEntries(others), POSTERN_CONFIG_DIR: path.join(this.#dataDir, 'cli') };
  }

  #origin(name: string): string {
    return `https://${name}.${this.#service}/`;
  }

  get #service(): string {
    return `${domain}:${this.#state.ports.public}`;
  }

  get #authorityFile(): string {
    return path.join(this.#dataDir, 'certificates', 'local-ca.pem');
  }

  get #passwordFile(): string {
    return path.join(this.#dataDir, 'admin-password');
  }

  get #connectorDir(): string {
    return path.join(this.#dataDir, 'connector');
  }

  #logFile(name: string): string {
    return path.join(this.#dataDir, 'logs', `${name}.log`);
  }

  get #state(): State {
    const file = path.join(this.#dataDir, 'quick-start.json');
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
    return { ports: this.#firstPorts, sitePort: 0, isComplete: false };
  }

  #saveState(state: State): void {
    writeFileSync(path.join(this.#dataDir, 'quick-start.json'), `${JSON.stringify(state)}\n`, {
      mode: 0o600,
    });
  }
}

/** Twenty characters of an alphabet without look-alikes, in groups: 97 bits. */
function makePassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  const group = () => Array.from({ length: 5 }, () => letters[randomInt(letters.length)]).join('');
  return [group(), group(), group(), group()].join('-');
}

/** This machine's name, in the letters that a connector's name may have. */
function machineName(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '');
  return name === '' ? 'quick-start' : name;
}
