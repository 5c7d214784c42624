import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readConnectorStatus } from '@postern/connector/status';
import type { DoctorReport, ReportOf } from '@postern/protocol/doctor';
import { buildPackages, packPackages } from '../../scripts/build.ts';
import { ageIdentity } from '../testbed/age-identity.ts';
import { installPackages } from '../testbed/install-packages.ts';
import { Squid, type SquidOptions } from '../testbed/squid.ts';
import { SystemdMachine } from '../testbed/systemd-machine.ts';
import { end, Journal, startTestbed, type Testbed, type TestConnector } from '../testbed/testbed.ts';
import { addresses, domain, inNamespace, type LabNetwork, through } from './network.ts';

const repository = path.join(import.meta.dirname, '..', '..');
const setUpProgram = path.join(repository, 'examples/unattended/set-up.sh');
const profile = '/onPremisesPublishingProfiles/applicationProxy';
const middleboxProgram = path.join(import.meta.dirname, 'middlebox.ts');
const serviceProgram = path.join(repository, 'packages/server/src/postern-server.ts');
const connectorProgram = path.join(repository, 'packages/connector/bin/postern-connector.mjs');

/** How a command is run on the connector's machine. */
export interface RunOptions {
  readonly environment?: Record<string, string>;
  /** What it is started through. */
  readonly prefix?: readonly string[];
}

/** What lies in the way and holds all bytes, or lets them pass. */
export interface Relay {
  /** From passing to holding, or back. */
  turn(): void;
  end(): Promise<void>;
}

/** Takes a fault away again. */
export type Lift = () => void | Promise<void>;

/** What a run of the doctor came to. */
export interface Diagnosis {
  readonly report: ReportOf<string>;
  readonly exitCode: number;
  readonly tookMs: number;
}

/**
 * A service in the internet of a lab, and a connector with its backend in the private network. To be opened by a process
 * in the namespace of the internet.
 */
export class Lab implements AsyncDisposable {
  readonly network: LabNetwork;
  readonly testbed: Testbed;
  readonly #backend: ChildProcess;
  #machine: SystemdMachine | null = null;

  private constructor(network: LabNetwork, testbed: Testbed, backend: ChildProcess) {
    this.network = network;
    this.testbed = testbed;
    this.#backend = backend;
  }

  static async open(network: LabNetwork): Promise<Lab> {
    const backend = spawnIn(network, network.privateNetwork, [
      process.execPath,
      '-e',
      `require('http').createServer((q, s) => s.end('ok')).listen(8080, '${addresses.connector}', () => console.log('listening'))`,
    ]);
    const said = follow(backend);
    await said.until('listening');
    const testbed = await startTestbed({
      applications: [{ name: 'app', internalUrl: `http://${addresses.connector}:8080/` }],
      users: ['ben', 'cleo'],
      domain,
      address: addresses.service,
      port: 443,
      httpPort: 80,
      connectorThrough: through(network, network.privateNetwork),
    });
    return new Lab(network, testbed, backend);
  }

  get dataDir(): string {
    return this.testbed.connectors[0]!.dataDir;
  }

  /** Adds rules to the firewall, in the language of nft, until they are lifted. */
  firewall(rules: string): Lift {
    const { firewall } = this.network;
    inNamespace(firewall, 'nft', `add table ip lab; ${rules}`);
    return () => void inNamespace(firewall, 'nft', 'delete table ip lab');
  }

  /** A rule for packets that the firewall passes on from the private network. */
  forwarding(rule: string): Lift {
    return this.firewall(
      `add chain ip lab forward { type filter hook forward priority 0; }; add rule ip lab forward iifname lan0 ${rule}`,
    );
  }

  /** Leads connections to a port of the service to a port of the firewall itself. */
  divert(from: number, to: number): Lift {
    return this.firewall(
      `add chain ip lab prerouting { type nat hook prerouting priority -100; }; ` +
        `add rule ip lab prerouting iifname lan0 ip daddr ${addresses.service} tcp dport ${from} redirect to :${to}`,
    );
  }

  /** Starts a program on the firewall and waits for a text that it says. */
  async onFirewall(command: readonly string[], untilSaid: string): Promise<Lift> {
    const child = await this.#startOnFirewall(command, untilSaid);
    return () => end(child);
  }

  async #startOnFirewall(command: readonly string[], untilSaid: string): Promise<ChildProcess> {
    // Python keeps what it says to itself where nobody looks, and minds a locale without letters.
    const environment = { PYTHONUNBUFFERED: '1', LANG: 'C.UTF-8' };
    const child = spawnIn(this.network, this.network.firewall, command, environment);
    const said = follow(child);
    const timer = setTimeout(() => child.kill('SIGKILL'), readyLimitMs);
    await Promise.race([said.until(untilSaid), said.until(endedMark)]);
    clearTimeout(timer);
    if (said.text.includes(endedMark)) throw new Error(`${command[0]} is not ready: ${said.text}`);
    return child;
  }

  /** Runs a command of the connector's program on the connector's machine. */
  async run(
    args: readonly string[],
    { environment = {}, prefix = [] }: RunOptions = {},
  ): Promise<{ exitCode: number; output: string; errors: string }> {
    const command = [...prefix, process.execPath, connectorProgram, ...args];
    const child = spawnIn(this.network, this.network.privateNetwork, command, environment);
    let output = '';
    let errors = '';
    child.stdout!.on('data', text => {
      output += text;
    });
    child.stderr!.on('data', text => {
      errors += text;
    });
    const [exitCode] = await once(child, 'close');
    return { exitCode, output, errors };
  }

  /** Runs the doctor on the connector's machine. */
  async doctor(args: readonly string[] = [], options: RunOptions = {}): Promise<Diagnosis> {
    const startedAt = performance.now();
    const usual = ['--data', this.dataDir, '--ca-file', this.testbed.caFile];
    const ran = await this.run(['doctor', '--json', ...usual, ...args], options);
    const tookMs = performance.now() - startedAt;
    try {
      return { report: JSON.parse(ran.output) as DoctorReport, exitCode: ran.exitCode, tookMs };
    } catch (cause) {
      throw new Error(`the doctor said no JSON (exit code ${ran.exitCode}): ${ran.output}\n${ran.errors}`, {
        cause,
      });
    }
  }

  /**
   * Runs `postern doctor` on the service's machine.
   *
   * @param passed Checks that have to pass, beside what the verdict asks for.
   */
  async serviceDoctor(passed: readonly string[]): Promise<Diagnosis> {
    const startedAt = performance.now();
    const command = [serviceProgram, 'doctor', '--json', '--config', this.testbed.configFile];
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
    const said = follow(child);
    const [exitCode] = await once(child, 'close');
    const tookMs = performance.now() - startedAt;
    const document = said.text.split('\n').find(line => line.startsWith('{'));
    if (document === undefined) throw new Error(`the service's doctor said no JSON: ${said.text}`);
    const report = JSON.parse(document) as ReportOf<string>;
    const bad = report.results.filter(one => passed.includes(one.id) && one.status !== 'passed');
    if (bad.length > 0) throw new Error(`these had to pass: ${JSON.stringify(bad)}`);
    return { report, exitCode, tookMs };
  }

  /** Resolves when the connector has a tunnel; rejects after a while. */
  async untilConnected(limitMs = 90_000): Promise<void> {
    const deadline = Date.now() + limitMs;
    // Twice: what the file says of a tunnel that was lost just now may be older than that.
    for (let seen = 0; seen < 2; seen = this.#state() === 'connected' ? seen + 1 : 0) {
      if (Date.now() > deadline)
        throw new Error(`not connected again: ${this.testbed.connectors[0]!.log.text.slice(-2_000)}`);
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }

  /** The connector's log from now on, whichever process writes it. */
  followLog(): ConnectorLog {
    return new ConnectorLog(this.testbed.connectors[0]!);
  }

  /** Starts what stands in the way of scenarios (middlebox.ts) on the firewall. */
  middlebox(kind: string, port: number): Promise<Lift> {
    return this.onFirewall([process.execPath, middleboxProgram, kind, String(port)], 'ready');
  }

  /** Leads what goes to the service over a relay that can be told to hold everything, and to go on. */
  async relay(port = 8443): Promise<Relay> {
    const command = [process.execPath, middleboxProgram, 'holding', String(port)];
    const child = await this.#startOnFirewall(command, 'ready');
    const undivert = this.divert(443, port);
    return {
      turn: () => void child.kill('SIGUSR2'),
      async end() {
        await undivert();
        await end(child);
      },
    };
  }

  /** Starts Debian's Squid on the firewall, port 3128. */
  async squid(options: Pick<SquidOptions, 'authentication' | 'connectPorts'>): Promise<Lift> {
    const squid = await Squid.start({
      ...options,
      address: addresses.gateway,
      port: 3128,
      through: through(this.network, this.network.firewall),
    });
    return () => squid[Symbol.asyncDispose]();
  }

  /** Lays settings down on the connector's machine, or takes them away. */
  writeSettings(settings: Record<string, unknown> | null): void {
    const file = path.join(this.dataDir, 'Config/connector.json');
    if (settings === null) rmSync(file);
    else writeFileSync(file, JSON.stringify(settings));
  }

  async stopConnector(): Promise<void> {
    await end(this.testbed.connectors[0]!.process);
  }

  /** Starts the connector anew; resolves when it is connected, and its status says so. */
  async startConnector(): Promise<void> {
    const { restart, dataDir } = this.testbed.connectors[0]!;
    await restart();
    // It logs first and writes afterwards, and the doctor reads what it wrote.
    while ((await readConnectorStatus({ dataDir })).state !== 'connected') await delay(50);
  }

  /** Starts the connector anew, whatever becomes of it. @param through Program and parameters that it is started through. */
  relaunch(through: readonly string[] = []): Promise<void> {
    return this.testbed.connectors[0]!.launch(through);
  }

  /** Stops the connector, and leaves it with a certificate that was issued so many days ago. */
  async age(days: number): Promise<void> {
    await ageIdentity(this.testbed, this.testbed.connectors[0]!, days);
  }

  /** Asks for a page of an application, as somebody who is signed in where that is needed. */
  async request(application: string, cookie = ''): Promise<void> {
    const host = `${application}.${domain}`;
    const fields = ['GET / HTTP/1.1', `Host: ${host}`, ...(cookie === '' ? [] : [`Cookie: ${cookie}`])];
    await this.testbed.exchange(host, `${[...fields, 'Connection: close'].join('\r\n')}\r\n\r\n`);
  }

  /** Makes the way from the private network slow or long, in the language of `tc qdisc`. */
  shape(discipline: string): Lift {
    const tc = (...parameters: string[]) =>
      inNamespace(this.network.privateNetwork, 'tc', 'qdisc', ...parameters);
    tc('add', 'dev', 'lan0', 'root', ...discipline.split(' '));
    return () => void tc('del', 'dev', 'lan0', 'root');
  }

  /** An empty folder: that of a connector which was never registered. */
  get blankDir(): string {
    return path.join(this.network.folder, 'blank');
  }

  /** Revokes the connector for good. */
  async revoke(): Promise<void> {
    const { id } = this.testbed.connectors[0]!;
    await this.#call('DELETE', `${profile}/connectors/${id}`);
  }

  /** Registers the machine again, as an administrator with an access token does. */
  async register(): Promise<void> {
    const { exitCode, errors } = await this.tryToRegister();
    if (exitCode !== 0) throw new Error(`register ended with ${exitCode}: ${errors}`);
  }

  /** The same, whatever comes of it. @param prefix Program and parameters that the command is started through. */
  async tryToRegister(prefix: readonly string[] = []) {
    const to = ['--service', `connect.${domain}`, '--ca-file', this.testbed.caFile, '--key', 'p384'];
    return this.run(['register', '--data', this.dataDir, ...to], {
      environment: { POSTERN_TOKEN: await this.testbed.token() },
      prefix,
    });
  }

  /** Registers the machine again where its old key still proves who it is. */
  async registerAgain(): Promise<void> {
    const { id } = this.testbed.connectors[0]!;
    await this.register();
    const { connectorId } = JSON.parse(readFileSync(path.join(this.dataDir, 'Config/service.json'), 'utf8'));
    if (connectorId !== id) throw new Error(`it has become connector ${connectorId}, and was ${id}`);
  }

  /** How many files the connector may have open. */
  limitFiles(count: number): Lift {
    const processId = String(this.testbed.connectors[0]!.process.pid);
    const before = /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${processId}/limits`, 'utf8'))![1];
    const limit = (files: string) => execFileSync('prlimit', ['--pid', processId, `--nofile=${files}:`]);
    limit(String(count));
    return () => void limit(before!);
  }

  /** A copy of the connector's folder on a disk without room. */
  fillDisk(): Lift {
    mkdirSync(this.fullDisk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', this.fullDisk]);
    execFileSync('cp', ['-a', `${this.dataDir}/.`, this.fullDisk]);
    try {
      writeFileSync(path.join(this.fullDisk, 'ballast'), Buffer.alloc(4 * 1024 * 1024));
    } catch {
      // That is what it is for.
    }
    return () => void execFileSync('umount', [this.fullDisk]);
  }

  get fullDisk(): string {
    return path.join(this.network.folder, 'full-disk');
  }

  /** A private key, PEM, that belongs to nothing. */
  anotherKey(): string {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  async setEnabled(user: string, accountEnabled: boolean): Promise<void> {
    await this.#call('PATCH', `/users/${this.testbed.userId(user)}`, { accountEnabled });
  }

  /** Publishes another application; resolves when the connector has it. */
  async publish(internalUrl: string): Promise<Lift> {
    const created = await this.#call('POST', '/applications', { displayName: 'Scenario' });
    const { id } = created as { id: string };
    const externalUrl = `https://scenario.${domain}/`;
    await this.#call('PATCH', `/applications/${id}`, {
      onPremisesPublishing: { internalUrl, externalUrl, externalAuthenticationType: 'passthru' },
    });
    await this.#untilPublished(id, true);
    return async () => {
      await this.#call('DELETE', `/applications/${id}`);
      await this.#untilPublished(id, false);
    };
  }

  async #untilPublished(id: string, wanted: boolean): Promise<void> {
    const file = path.join(this.dataDir, 'run/backends.json');
    for (let attempt = 0; attempt < 150; attempt++) {
      if (existsSync(file) && readFileSync(file, 'utf8').includes(id) === wanted) return;
      await new Promise(resolve => setTimeout(resolve, 100));
    }
    throw new Error(`the connector does not have ${id} (${wanted})`);
  }

  async #call(method: string, apiPath: string, body?: unknown): Promise<unknown> {
    const answer = await this.testbed.api(method, apiPath, body);
    if (answer.status >= 300)
      throw new Error(`${method} ${apiPath}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Boots a machine with systemd into the private network, with the packages of the command line on it. */
  async bootMachine(): Promise<void> {
    const { folder, privateNetwork } = this.network;
    const packed = path.join(folder, 'packed');
    mkdirSync(packed);
    const tarballs = packPackages(await buildPackages(path.join(folder, 'built')), packed);
    const machine = new SystemdMachine({
      parent: folder,
      name: `lab${process.pid}m`,
      hosts: Object.fromEntries(
        ['connect', 'login', 'portal'].map(name => [`${name}.${domain}`, addresses.service]),
      ),
      namespace: privateNetwork,
      // Namespaces for networks hide the control groups of the host, which systemd needs; who started this has them.
      through: ['nsenter', `--mount=/proc/${process.ppid}/ns/mnt`, '--'],
    });
    this.#machine = machine;
    await machine.make();
    installPackages(machine, tarballs, /-cli-/);
    copyFileSync(setUpProgram, path.join(machine.root, 'root/set-up.sh'));
    const made = await this.#call('POST', `${profile}/enrolmentTokens`, {});
    const { token } = made as { token: string };
    writeFileSync(path.join(machine.root, 'root/enrolment-token'), token, { mode: 0o600 });
    await machine.boot();
  }

  /** Runs examples/unattended on that machine; the doctor's report is the one that it ends with. */
  async setUpMachine(): Promise<Diagnosis> {
    const { code, output, all } = await this.#machine!.attempt(
      'POSTERN_ATTEMPTS=1 sh /root/set-up.sh /root/enrolment-token --json',
    );
    const document = output === '' ? {} : (JSON.parse(output) as { doctor?: DoctorReport });
    if (document.doctor === undefined) throw new Error(`no report of the doctor (exit code ${code}): ${all}`);
    // Installing and registering take time of their own.
    const tookMs = Math.max(...document.doctor.results.map(({ durationMs }) => durationMs));
    return { report: document.doctor, exitCode: code ?? 1, tookMs };
  }

  /** Takes the connector off that machine, and the machine away. */
  async removeMachine(): Promise<void> {
    const machine = this.#machine;
    this.#machine = null;
    await machine?.attempt('postern connector uninstall');
    await machine?.remove();
  }

  #state(): string {
    try {
      const status = JSON.parse(readFileSync(path.join(this.dataDir, 'run/status.json'), 'utf8'));
      return String(status.state);
    } catch {
      return '';
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine?.remove();
    await this.testbed[Symbol.asyncDispose]();
    await end(this.#backend);
  }
}

/** A connector may take this long to notice what has happened to it. */
const eventLimitMs = 60_000;

/** What a connector writes from a moment on, be it started anew since. */
export class ConnectorLog {
  readonly #connector: TestConnector;
  readonly #journal: Journal;
  readonly #from: number;

  constructor(connector: TestConnector) {
    this.#connector = connector;
    this.#journal = connector.log;
    this.#from = connector.log.text.length;
  }

  hasEvent(id: number): boolean {
    return this.#journal.text.includes(mark(id), this.#from) || this.#current.includes(mark(id));
  }

  /** Resolves when an event with that number was written; rejects after a while. */
  async untilEvent(id: number): Promise<void> {
    const deadline = Date.now() + eventLimitMs;
    while (!this.hasEvent(id)) {
      if (Date.now() > deadline)
        throw new Error(`the event ${id} was not written: ${this.#current.slice(-2_000)}`);
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }

  /** Of the process that runs now, where that is another than at first. */
  get #current(): string {
    const { log } = this.#connector;
    return log === this.#journal ? log.text.slice(this.#from) : log.text;
  }
}

function mark(id: number): string {
  return `"id":${id},`;
}

function spawnIn(
  network: LabNetwork,
  namespace: string,
  command: readonly string[],
  environment: Record<string, string> = {},
): ChildProcess {
  const [program, ...parameters] = [...through(network, namespace), ...command];
  return spawn(program!, parameters, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
}

/** What a program that is followed says last. */
const endedMark = '\nended with ';
/** A program of the lab is ready by then, or never. */
const readyLimitMs = 60_000;

function follow(child: ChildProcess): Journal {
  const said = new Journal();
  child.stdout!.setEncoding('utf8').on('data', (text: string) => said.push(text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => said.push(text));
  child.once('exit', code => said.push(`${endedMark}${code}\n`));
  return said;
}
