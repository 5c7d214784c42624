import { type ChildProcess, fork } from 'node:child_process';
import type { Logger } from 'pino';

export interface ControlProcessOptions {
  /** File of the control process's program. */
  readonly program: string;
  readonly args: readonly string[];
  readonly log: Logger;
}

const firstRetryMs = 100;
const maxRetryMs = 5_000;
/** A run longer than this was a success; the next crash starts the back-off anew. */
const stableMs = 30_000;

/** Starts the control process as a child and starts it again whenever it ends, until told to stop. */
export class ControlProcess {
  readonly #options: ControlProcessOptions;
  #child: ChildProcess | null = null;
  #retryMs = firstRetryMs;
  #retry: NodeJS.Timeout | null = null;
  #stopping = false;
  readonly #firstStart = Promise.withResolvers<void>();

  constructor(options: ControlProcessOptions) {
    this.#options = options;
    this.#start();
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when the control process has said that it is ready; rejects if it ends before it ever was. */
  get ready(): Promise<void> {
    return this.#firstStart.promise;
  }

  /** Ends the control process and waits until it has gone. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#retry) clearTimeout(this.#retry);
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>(resolve => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await gone;
    clearTimeout(force);
  }

  #start(): void {
    const startedAt = Date.now();
    const child = fork(this.#options.program, [...this.#options.args], {
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    child.on('message', message => {
      if (isReady(message)) this.#firstStart.resolve();
    });
    child.once('exit', (code, signal) => this.#ended(code, signal, Date.now() - startedAt));
  }

  #ended(code: number | null, signal: string | null, livedMs: number): void {
    if (this.#stopping) return;
    // A process that never came up has a reason that will not go away by itself, and has said it.
    this.#firstStart.reject(new Error(`the control process ended before it was ready (${signal ?? code})`));
    if (livedMs > stableMs) this.#retryMs = firstRetryMs;
    this.#options.log.error(
      { code, signal, retryMs: this.#retryMs },
      'control process ended; starting it again',
    );
    this.#retry = setTimeout(() => this.#start(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, maxRetryMs);
  }
}

function isReady(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'ready';
}
