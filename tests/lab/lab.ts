import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { DoctorReport } from '@postern/protocol/doctor';
import { Squid, type SquidOptions } from '../testbed/squid.ts';
import { end, Journal, startTestbed, type Testbed } from '../testbed/testbed.ts';
import { addresses, domain, inNamespace, type LabNetwork, through } from './network.ts';

const repository = path.join(import.meta.dirname, '..', '..');
const connectorProgram = path.join(repository, 'packages/connector/bin/postern-connector.mjs');

/** How a command is run on the connector's machine. */
export interface RunOptions {
  readonly environment?: Record<string, string>;
  /** What it is started through. */
  readonly prefix?: readonly string[];
}

/** Takes a fault away again. */
export type Lift = () => void | Promise<void>;

/** What a run of the doctor came to. */
export interface Diagnosis {
  readonly report: DoctorReport;
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
    // Python keeps what it says to itself where nobody looks, and minds a locale without letters.
    const environment = { PYTHONUNBUFFERED: '1', LANG: 'C.UTF-8' };
    const child = spawnIn(this.network, this.network.firewall, command, environment);
    const said = follow(child);
    const timer = setTimeout(() => child.kill('SIGKILL'), readyLimitMs);
    await Promise.race([said.until(untilSaid), said.until(endedMark)]);
    clearTimeout(timer);
    if (said.text.includes(endedMark)) throw new Error(`${command[0]} is not ready: ${said.text}`);
    return () => end(child);
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

  /** Resolves when the connector has a tunnel; rejects after a while. */
  async untilConnected(limitMs = 90_000): Promise<void> {
    const deadline = Date.now() + limitMs;
    while (this.#state() !== 'connected') {
      if (Date.now() > deadline)
        throw new Error(`not connected again: ${this.testbed.connectors[0]!.log.text.slice(-2_000)}`);
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }

  /** Starts what stands in the way of scenarios (middlebox.ts) on the firewall. */
  middlebox(kind: string, port: number): Promise<Lift> {
    const program = path.join(import.meta.dirname, 'middlebox.ts');
    return this.onFirewall([process.execPath, program, kind, String(port)], 'ready');
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

  startConnector(): Promise<void> {
    return this.testbed.connectors[0]!.restart();
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
    await this.#call('DELETE', `/onPremisesPublishingProfiles/applicationProxy/connectors/${id}`);
  }

  /** Registers the machine again, as an administrator with an access token does. */
  async register(): Promise<void> {
    const to = ['--service', `connect.${domain}`, '--ca-file', this.testbed.caFile, '--key', 'p384'];
    const ran = await this.run(['register', '--data', this.dataDir, ...to], {
      environment: { POSTERN_TOKEN: await this.testbed.token() },
    });
    if (ran.exitCode !== 0) throw new Error(`register ended with ${ran.exitCode}: ${ran.errors}`);
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

  #state(): string {
    try {
      const status = JSON.parse(readFileSync(path.join(this.dataDir, 'run/status.json'), 'utf8'));
      return String(status.state);
    } catch {
      return '';
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.testbed[Symbol.asyncDispose]();
    await end(this.#backend);
  }
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
