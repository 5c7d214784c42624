import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ip } from './machine.ts';

export interface SystemdMachineParts {
  /** Folder that the machine's root goes into. */
  readonly parent: string;
  /** Name of the machine and, unless it is given one, of its network namespace; nothing else on this host may have it. */
  readonly name: string;
  /** Addresses by host name. */
  readonly hosts: Readonly<Record<string, string>>;
  /** A network namespace that is there and stays, in place of one of the machine's own. */
  readonly namespace?: string;
  /** What systemd-nspawn is started through. */
  readonly through?: readonly string[];
}

/** A boot takes a few seconds; one that takes this long has hung. */
const bootLimitMs = 180_000;

/**
 * A machine whose process 1 is systemd: Debian in a folder of its own, booted by systemd-nspawn into a network namespace
 * of its own. Nothing in it can reach anything outside: the namespace has no default route.
 */
export class SystemdMachine {
  readonly name: string;
  readonly root: string;
  readonly #hosts: Readonly<Record<string, string>>;
  readonly #givenNamespace: string | null;
  readonly #through: readonly string[];
  #nspawn: ChildProcess | null = null;
  #console = '';

  constructor({ parent, name, hosts, namespace, through = [] }: SystemdMachineParts) {
    this.#givenNamespace = namespace ?? null;
    this.#through = through;
    this.name = name;
    this.root = path.join(parent, name);
    this.#hosts = hosts;
  }

  /**
   * Lays the machine's disk and network down; it is not booted yet.
   *
   * @throws Error that says what is missing, where this host cannot make such a machine.
   */
  async make(): Promise<void> {
    if (process.getuid?.() !== 0) {
      throw new Error('A machine with systemd can be booted only by root: run this test as root.');
    }
    const base = await makeDebianRoot();
    execFileSync('cp', ['--archive', '--reflink=auto', base, this.root], { stdio: 'pipe' });
    writeFileSync(path.join(this.root, 'etc/hostname'), `${this.name}\n`);
    const names = Object.entries(this.#hosts).map(([host, address]) => `${address} ${host}\n`);
    writeFileSync(
      path.join(this.root, 'etc/hosts'),
      `127.0.0.1 localhost ${this.name}\n::1 localhost\n${names.join('')}`,
    );
    if (this.#givenNamespace !== null) return;
    ip('netns', 'add', this.name);
    ip('-n', this.name, 'link', 'set', 'lo', 'up');
  }

  /** Boots, and resolves when systemd has started everything. */
  async boot(): Promise<void> {
    const [program, ...parameters] = [...this.#through, 'systemd-nspawn'];
    const nspawn = spawn(
      program!,
      [
        ...parameters,
        '--quiet',
        '--boot',
        `--directory=${this.root}`,
        `--machine=${this.name}`,
        '--register=no',
        '--keep-unit',
        `--network-namespace-path=/run/netns/${this.#givenNamespace ?? this.name}`,
        '--link-journal=no',
        '--resolv-conf=off',
        '--timezone=off',
        '--console=pipe',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#nspawn = nspawn;
    for (const stream of [nspawn.stdout, nspawn.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#console = (this.#console + text).slice(-20_000);
      });
    }
    nspawn.once('error', error => {
      this.#console += String(error);
    });
    await this.#untilBooted(0);
  }

  /** Runs a shell command on the machine to its end and gives its standard output; rejects where it fails. */
  async run(command: string, input = ''): Promise<string> {
    const { code, output, all } = await this.attempt(command, input);
    if (code !== 0) throw new Error(`${this.name}: ${command}\nended with ${code}:\n${all}`);
    return output;
  }

  /** Runs a shell command on the machine to its end, whatever that is. */
  async attempt(
    command: string,
    input = '',
  ): Promise<{ readonly code: number | null; readonly output: string; readonly all: string }> {
    const child = spawn('nsenter', this.#enter(this.#leader(), command), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        HOME: '/root',
        LANG: 'C.UTF-8',
        TERM: 'dumb',
      },
    });
    const said = { output: '', all: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.output += text;
      said.all += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.all += text;
    });
    // A command that reads nothing may be gone before its input is.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const [code] = await once(child, 'close');
    return { code, ...said };
  }

  /** Restarts the machine from within, and resolves when it is up again. */
  async reboot(): Promise<void> {
    const before = this.#leader();
    // The connection to systemd may break before it has answered.
    await this.attempt('systemctl reboot');
    // systemd-nspawn boots again by itself, but ends instead on a host whose /run is no file system of its own.
    while (this.#isOn && [before, null].includes(this.#findLeader())) await delay(50);
    if (this.#isOn) return this.#untilBooted(before);
    await this.boot();
  }

  get #isOn(): boolean {
    return this.#nspawn !== null && this.#nspawn.exitCode === null && this.#nspawn.signalCode === null;
  }

  /** Shuts the machine down in order, and removes its disk and network. */
  async remove(): Promise<void> {
    const nspawn = this.#nspawn;
    if (nspawn !== null && this.#isOn) {
      const ended = once(nspawn, 'exit');
      // systemd-nspawn passes this on as the order to power off. When it dies, the machine dies with it.
      nspawn.kill('SIGTERM');
      const impatience = setTimeout(() => nspawn.kill('SIGKILL'), 60_000);
      await ended;
      clearTimeout(impatience);
    }
    if (this.#givenNamespace === null) spawnSync('ip', ['netns', 'del', this.name], { stdio: 'ignore' });
    rmSync(this.root, { recursive: true, force: true });
  }

  /** @param before Process 1 of the boot before this one; 0 where there was none. */
  async #untilBooted(before: number): Promise<void> {
    const deadline = performance.now() + bootLimitMs;
    while (performance.now() < deadline) {
      if (!this.#isOn) break;
      const leader = this.#findLeader();
      if (leader !== null && leader !== before && (await this.#hasStarted(leader))) return;
      await delay(100);
    }
    throw new Error(
      `systemd cannot be booted as process 1 of a machine here, and the tests of the system services need that. ` +
        `systemd-nspawn and the machine said:\n${this.#console}`,
    );
  }

  async #hasStarted(leader: number): Promise<boolean> {
    const child = spawn('nsenter', this.#enter(leader, 'systemctl is-system-running --wait'), {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let state = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      state += text;
    });
    await once(child, 'close');
    return /^(running|degraded)$/m.test(state);
  }

  #enter(leader: number, command: string): string[] {
    return [
      ...[`--target=${leader}`, '--mount', '--uts', '--ipc', '--net', '--pid', '--wd'],
      ...['--', '/bin/sh', '-c', `cd; ${command}`],
    ];
  }

  #leader(): number {
    const leader = this.#findLeader();
    if (leader === null) throw new Error(`${this.name} is not running:\n${this.#console}`);
    return leader;
  }

  /** The host's id of the machine's process 1. */
  #findLeader(): number | null {
    const parent = this.#nspawn?.pid;
    for (const name of readdirSync('/proc').filter(entry => /^\d+$/.test(entry))) {
      const status = readStatus(name);
      if (status === null || Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]) !== parent) continue;
      if (/^NSpid:.*\s1$/m.test(status)) return Number(name);
    }
    return null;
  }
}

function readStatus(processId: string): string | null {
  try {
    return readFileSync(`/proc/${processId}/status`, 'utf8');
  } catch {
    return null;
  }
}

/** Joins machines by a cable each to a switch that is a namespace of its own; their addresses are in one network. */
export function cable(
  one: SystemdMachine,
  oneAddress: string,
  other: SystemdMachine,
  otherAddress: string,
): void {
  const network = oneAddress.replace(/\d+$/, '0/24');
  for (const machine of [one, other]) {
    // First, so that nothing can leave the machine by another way while its cable is out.
    ip('-n', machine.name, 'route', 'add', 'blackhole', network, 'metric', '9999');
  }
  ip('-n', one.name, 'link', 'add', 'wan', 'type', 'veth', 'peer', 'name', 'wan', 'netns', other.name);
  ip('-n', one.name, 'address', 'add', `${oneAddress}/24`, 'dev', 'wan');
  ip('-n', other.name, 'address', 'add', `${otherAddress}/24`, 'dev', 'wan');
  for (const machine of [one, other]) ip('-n', machine.name, 'link', 'set', 'wan', 'up');
}

const included = ['systemd-sysv'];

/** What a machine without network and users does not need, and would only slow its boot. */
const masked = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'console-getty.service',
  'dpkg-db-backup.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'getty.target',
  'systemd-logind.service',
  'systemd-networkd.service',
  'systemd-timesyncd.service',
];

/** A root folder of Debian with systemd, made once and kept in the user's cache folder. */
export async function makeDebianRoot(): Promise<string> {
  const release = readFileSync('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] ?? 'bookworm';
  const key = createHash('sha256')
    .update(JSON.stringify([included, masked]))
    .digest('hex')
    .slice(0, 12);
  const cache = path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'postern-tests');
  const folder = path.join(cache, `debian-${codename}-${key}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cache, { recursive: true });
  const made = mkdtempSync(path.join(cache, 'partial-'));
  try {
    await debootstrap(codename, path.join(made, 'root'));
    prepare(path.join(made, 'root'));
    renameSync(path.join(made, 'root'), folder);
  } catch (error) {
    // Another test file has been faster.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
  return folder;
}

async function debootstrap(codename: string, target: string): Promise<void> {
  const parameters = [
    '--variant=minbase',
    `--include=${included.join(',')}`,
    codename,
    target,
    debianMirror(),
  ];
  const child = spawn('debootstrap', parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4_000);
    });
  }
  const [code] = await once(child, 'close');
  if (code === 0) return;
  throw new Error(
    `Debian could not be installed into a folder for the tests of the system services; ` +
      `make ${debianMirror()} reachable and run this again. debootstrap said:\n${said}`,
  );
}

/** Where this host gets its own packages from. */
function debianMirror(): string {
  const folder = '/etc/apt/sources.list.d';
  const lists = existsSync(folder) ? readdirSync(folder).map(name => path.join(folder, name)) : [];
  for (const file of ['/etc/apt/sources.list', ...lists].filter(candidate => existsSync(candidate))) {
    const lines = readFileSync(file, 'utf8').split('\n');
    const found = lines
      .filter(line => /^(deb|URIs:)\s/.test(line))
      .flatMap(line => /https?:\/\/\S+\/debian\/?(?=\s|$)/.exec(line)?.[0] ?? []);
    if (found[0] !== undefined) return found[0];
  }
  return 'http://deb.debian.org/debian';
}

function prepare(root: string): void {
  // Every machine makes its own at its first boot, as those made from one image must.
  writeFileSync(path.join(root, 'etc/machine-id'), '');
  rmSync(path.join(root, 'var/lib/dbus/machine-id'), { force: true });
  rmSync(path.join(root, 'var/cache/apt'), { recursive: true, force: true });
  rmSync(path.join(root, 'var/lib/apt/lists'), { recursive: true, force: true });
  execFileSync('systemctl', [`--root=${root}`, 'mask', '--quiet', ...masked], { stdio: 'pipe' });
  mkdirSync(path.join(root, 'etc/systemd/journald.conf.d'), { recursive: true });
  appendFileSync(
    path.join(root, 'etc/systemd/journald.conf.d/tests.conf'),
    '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n',
  );
}
