import type { Logger } from './telemetry/logger.ts';

/** Something that is to be done again and again. */
export interface Job {
  readonly name: string;
  readonly everyMs: number;
  readonly run: () => Promise<unknown>;
  /** The first turn is at the start, and not one interval later. */
  readonly beginsAtOnce?: boolean;
}

/** Runs jobs at their intervals until it is stopped. A job that fails is logged and tried again at its next turn. */
export class Upkeep {
  readonly #log: Logger;
  readonly #timers: NodeJS.Timeout[];
  readonly #running = new Map<string, Promise<void>>();

  constructor(jobs: readonly Job[], log: Logger) {
    this.#log = log;
    this.#timers = jobs.map(job => setInterval(() => this.#turn(job), job.everyMs));
    for (const job of jobs) if (job.beginsAtOnce === true) this.#turn(job);
  }

  /** Begins no more jobs, and waits for those that run. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#running.values());
  }

  #turn(job: Job): void {
    // A job that takes longer than its interval does not overtake itself.
    if (this.#running.has(job.name)) return;
    const run = job
      .run()
      .catch((error: unknown) => this.#log.error({ err: error, job: job.name }, 'a regular job failed'))
      .then(() => void this.#running.delete(job.name));
    this.#running.set(job.name, run);
  }
}
