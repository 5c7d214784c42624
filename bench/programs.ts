import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Folder and processes of a measurement, all of which end with it, also on Ctrl-C. */
export class Workplace implements AsyncDisposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'postern-bench-'));
  readonly #endings: (() => Promise<void> | void)[] = [];
  #isDisposed = false;

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, this.#onSignal);
  }

  /** Has something ended with the workplace; what was begun last ends first. */
  onEnd(ending: () => Promise<void> | void): void {
    this.#endings.push(ending);
  }

  /** Starts a program that runs until the workplace ends. Its output is kept for the error if it fails. */
  start(command: string, parameters: readonly string[], options: StartOptions = {}): RunningProgram {
    const child = spawn(command, parameters, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment },
    });
    const program = new RunningProgram(child, `${command} ${parameters.join(' ')}`);
    this.onEnd(() => program.end());
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, this.#onSignal);
    for (const ending of this.#endings.reverse()) await ending();
    rmSync(this.folder, { recursive: true, force: true });
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    void this[Symbol.asyncDispose]().finally(() => process.kill(process.pid, signal));
  };
}

export interface StartOptions {
  readonly environment?: Record<string, string>;
}

/** A program that runs beside us. */
export class RunningProgram {
  readonly #child: ChildProcess;
  readonly #name: string;
  #output = '';

  constructor(child: ChildProcess, name: string) {
    this.#child = child;
    this.#name = name;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-100_000);
      });
    }
    child.on('error', error => {
      this.#output += error.message;
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.#name} did not start: ${this.#output}`);
    return this.#child.pid;
  }

  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Waits until `isReady`. @throws Error with the program's output when it ends before or takes longer than 30 s. */
  async until(isReady: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 30_000;
    while (!(await isReady())) {
      if (this.hasEnded || performance.now() > deadline) throw new Error(`${this.#name}:\n${this.#output}`);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }

  async untilOutput(text: string): Promise<void> {
    await this.until(() => this.#output.includes(text));
  }

  async end(): Promise<void> {
    if (this.hasEnded || this.#child.pid === undefined) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    await gone;
    clearTimeout(force);
  }
}

/**
 * Runs a program to its end.
 *
 * @returns What it wrote to its standard output.
 * @throws Error with its output when it fails or takes longer than `timeoutMs`.
 */
export async function run(
  command: string,
  parameters: readonly string[],
  { timeoutMs = 120_000 }: { readonly timeoutMs?: number } = {},
): Promise<string> {
  const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === 0) return output;
  throw new Error(`${command} ${parameters.join(' ')} ended with ${code ?? signal}:\n${errors}${output}`);
}

export async function canConnect(port: number, host = '127.0.0.1'): Promise<boolean> {
  const socket = net.connect(port, host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
