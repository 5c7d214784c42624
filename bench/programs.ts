import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface StartOptions {
  /** Standard input; `pipe` stays open for as long as we live. Default `ignore`. */
  readonly input?: 'ignore' | 'pipe';
}

export interface RunOptions {
  /** Default 120 000. */
  readonly timeoutMs?: number;
  /** Told what the program writes to its standard error, as it comes. */
  readonly onError?: (text: string) => void;
  /** Ends the program; the promise is then rejected. */
  readonly signal?: AbortSignal;
}

/** Folder and processes of a measurement, all of which end with it, also on Ctrl-C. */
export class Workplace implements AsyncDisposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'postern-bench-'));
  readonly #endings: (() => Promise<void>)[] = [];
  readonly #running = new Set<Program>();
  #disposal: Promise<void> | null = null;

  constructor() {
    for (const signal of signals) process.once(signal, this.#onSignal);
  }

  /** Has something ended with the workplace; what was begun last ends first. */
  onEnd(ending: () => Promise<void>): void {
    this.#endings.push(ending);
  }

  /** Starts a program that runs until the workplace ends. */
  start(command: readonly string[], { input = 'ignore' }: StartOptions = {}): Program {
    const program = new Program(command, input);
    this.onEnd(() => program.end());
    return program;
  }

  /**
   * Runs a program to its end.
   *
   * @returns What it wrote to its standard output.
   * @throws Error with its output when it fails or takes longer than `timeoutMs`.
   */
  async run(command: readonly string[], options: RunOptions = {}): Promise<string> {
    const { timeoutMs = 120_000, onError, signal } = options;
    if (this.#disposal !== null) throw new Error('the measurement was ended');
    const program = new Program(command, 'ignore', onError);
    this.#running.add(program);
    const end = () => void program.end();
    const timer = setTimeout(end, timeoutMs);
    signal?.addEventListener('abort', end, { once: true });
    try {
      return await program.completed();
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      this.#running.delete(program);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#dispose();
    await this.#disposal;
  }

  async #dispose(): Promise<void> {
    for (const program of this.#running) await program.end();
    for (const ending of this.#endings.reverse()) await ending();
    rmSync(this.folder, { recursive: true, force: true });
    for (const signal of signals) process.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    // A second one, while this goes on, changes nothing: what was begun is undone to the end.
    process.on(signal, () => {});
    void this[Symbol.asyncDispose]().finally(() => process.exit(128 + (signal === 'SIGINT' ? 2 : 15)));
  };
}

/** A program beside us. */
export class Program {
  readonly #child: ChildProcess;
  readonly #name: string;
  #output = '';
  #errors = '';

  constructor(
    [file, ...parameters]: readonly string[],
    input: 'ignore' | 'pipe',
    onError?: (text: string) => void,
  ) {
    this.#name = [file, ...parameters].join(' ');
    // In a process group of its own: Ctrl-C reaches us alone, and we end what we started in the right order.
    this.#child = spawn(file!, parameters, { stdio: [input, 'pipe', 'pipe'], detached: true });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-1_000_000);
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-100_000);
      onError?.(text.trimEnd());
    });
    this.#child.on('error', error => {
      this.#errors += error.message;
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw this.#failure('did not start');
    return this.#child.pid;
  }

  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined;
  }

  /** Waits until it has ended well. @returns Its standard output. */
  async completed(): Promise<string> {
    const [code, signal] = (await once(this.#child, 'close')) as [number | null, string | null];
    if (code !== 0) throw this.#failure(`ended with ${code ?? signal}`);
    return this.#output;
  }

  /** Waits until `isReady`. @throws Error with the program's output when it ends before or takes longer than 30 s. */
  async until(isReady: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 30_000;
    while (!(await isReady())) {
      if (this.hasEnded) throw this.#failure('ended before it was ready');
      if (performance.now() > deadline) throw this.#failure('was not ready within 30 s');
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }

  async untilOutput(text: string): Promise<void> {
    await this.until(() => this.#output.includes(text));
  }

  async end(): Promise<void> {
    if (this.hasEnded) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), 30_000);
    await gone;
    clearTimeout(force);
  }

  #failure(what: string): Error {
    return new Error(`${this.#name} ${what}:\n${this.#errors}${this.#output}`);
  }
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
