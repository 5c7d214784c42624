import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Places that the commands write to; each machine has its own folder there. */
const places = ['/etc/postern', '/var/lib/postern', '/var/lib/postern-connector'];

export interface MachineParts {
  /** Folder that the machine's own goes into. */
  readonly parent: string;
  /** Name of the network namespace. */
  readonly name: string;
  /** Addresses by host name. */
  readonly hosts: Readonly<Record<string, string>>;
  /** CA that the machine trusts as it trusts public ones, PEM. */
  readonly authorityFile: string;
}

/** A machine as far as the product can tell: a network namespace with folders, a home and an npm prefix of its own. */
export class Machine {
  readonly name: string;
  readonly folder: string;
  readonly home: string;
  readonly #parts: MachineParts;
  readonly #madePlaces: string[] = [];

  constructor(parts: MachineParts) {
    this.name = parts.name;
    this.folder = path.join(parts.parent, parts.name);
    this.home = path.join(this.folder, 'home');
    this.#parts = parts;
  }

  make(): void {
    for (const place of [...places, '/home', '/prefix'])
      mkdirSync(path.join(this.folder, place), { recursive: true });
    // A folder can be mounted only where there is one.
    for (const place of places.filter(candidate => !existsSync(candidate))) {
      mkdirSync(place);
      this.#madePlaces.push(place);
    }
    const names = Object.entries(this.#parts.hosts).map(([host, address]) => `${address} ${host}\n`);
    writeFileSync(path.join(this.folder, 'hosts'), `127.0.0.1 localhost\n::1 localhost\n${names.join('')}`);
    ip('netns', 'add', this.name);
    ip('-n', this.name, 'link', 'set', 'lo', 'up');
  }

  remove(): void {
    ip('netns', 'del', this.name);
    for (const place of this.#madePlaces) rmdirSync(place);
  }

  /** Runs a command to its end and gives its standard output; rejects with everything it said where it fails. */
  async run(command: string): Promise<string> {
    const { child, said } = this.start(command);
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`${command}\nended with ${code}:\n${said.all}`);
    return said.output;
  }

  /** Types an answer when a prompt appears. */
  async runAtTerminal(command: string, prompt: string, answer: string): Promise<void> {
    const started = this.start(`script -qec '${command}' /dev/null`);
    await started.until(prompt);
    started.child.stdin?.write(`${answer}\r`);
    const [code] = await once(started.child, 'close');
    assert.equal(code, 0, started.said.all);
  }

  /** Starts a simple command; it takes the place of the shell, so that signals reach it. */
  start(command: string): Started {
    const mounts = places.map(place => `mount --bind '${this.folder}${place}' ${place}`);
    const script = [
      ...mounts,
      `mount --bind '${this.folder}/hosts' /etc/hosts`,
      `cd '${this.home}'`,
      `exec ${command}`,
    ].join('\n');
    const child = spawn('ip', ['netns', 'exec', this.name, 'unshare', '--mount', 'sh', '-ec', script], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        PATH: `${this.folder}/prefix/bin:${path.dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
        HOME: this.home,
        TERM: 'dumb',
        npm_config_prefix: `${this.folder}/prefix`,
        npm_config_cache: process.env['npm_config_cache'] ?? `${process.env['HOME'] ?? '/root'}/.npm`,
        npm_config_offline: 'true',
        // This test's CA stands for one that every machine trusts.
        NODE_EXTRA_CA_CERTS: this.#parts.authorityFile,
        CURL_CA_BUNDLE: this.#parts.authorityFile,
      },
    });
    return follow(child);
  }
}

/** A program that runs on a machine. */
export interface Started {
  readonly child: ChildProcess;
  readonly said: { output: string; all: string };
  /** Resolves when a text has been said; rejects when the program ends before. */
  until(text: string): Promise<void>;
}

/** Listens to a program. Its standard output and error have to be pipes. */
export function follow(child: ChildProcess): Started {
  const said = { output: '', all: '' };
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    said.output += chunk;
    said.all += chunk;
  });
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    said.all += chunk;
  });
  const until = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => said.all.includes(text) && resolve();
      child.stdout?.on('data', look);
      child.stderr?.on('data', look);
      child.once('close', () => reject(new Error(`ended before “${text}”:\n${said.all}`)));
      look();
    });
  return { child, said, until };
}

/** Runs iproute2, and gives what it prints. */
export function ip(...parameters: string[]): string {
  return execFileSync('ip', parameters, { encoding: 'utf8', stdio: 'pipe' });
}
