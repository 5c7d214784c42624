import type { ResultOf } from '../doctor.ts';
import { type Check, failed, notRun, type Outcome } from './check.ts';

/** What is looked at together: the first group in which something fails gives the exit code. */
export interface GroupOfChecks<Context, Group extends string> {
  readonly group: Group;
  readonly exitCode: number;
  readonly checks: readonly Check<Context>[];
}

export interface RunOptions<Group extends string> {
  /** Called with each result as it comes. */
  readonly onResult?: (result: ResultOf<Group>) => void;
  /** What has not ended by then reads "not run". Default 19 000; a check that may take longer is not counted. */
  readonly limitMs?: number;
  readonly signal?: AbortSignal;
}

const defaultLimitMs = 19_000;
const defaultCheckLimitMs = 6_000;
/** Checks of a group that run at once. */
const atOnce = 6;

/**
 * Goes through all checks, group after group, and says what came of each. A check whose needs are not met reads "not
 * run", never "passed".
 *
 * @returns Results in the order of groups and checks, and the exit code: that of the first group in which a check failed,
 *   0 where none did.
 */
export async function runChecks<Context, Group extends string>(
  groups: readonly GroupOfChecks<Context, Group>[],
  context: Context,
  options: RunOptions<Group> = {},
): Promise<{ readonly results: ResultOf<Group>[]; readonly exitCode: number }> {
  const results = new Map<string, ResultOf<Group>>();
  const timeLeft = new TimeLeft(options.limitMs ?? defaultLimitMs, options.signal);
  try {
    for (const group of groups) {
      await new GroupRun(group, context, results, timeLeft, options.onResult ?? (() => {})).finished;
    }
  } finally {
    timeLeft.dispose();
  }
  const ordered = groups.flatMap(({ checks }) => checks.map(check => results.get(check.id)!));
  const failedGroup = ordered.find(result => result.status === 'failed')?.group;
  return { results: ordered, exitCode: groups.find(one => one.group === failedGroup)?.exitCode ?? 0 };
}

/** The time of the whole run, which stands still while a person signs in. */
class TimeLeft {
  readonly #controller = new AbortController();
  readonly #given: AbortSignal | undefined;
  readonly #onAbort = () => this.#controller.abort();
  #leftMs: number;
  #timer: NodeJS.Timeout | null = null;
  #startedAt = 0;

  constructor(limitMs: number, given: AbortSignal | undefined) {
    this.#leftMs = limitMs;
    this.#given = given;
    given?.addEventListener('abort', this.#onAbort, { once: true });
    if (given?.aborted) this.#controller.abort();
    this.resume();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  pause(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#leftMs -= performance.now() - this.#startedAt;
  }

  resume(): void {
    if (this.#timer !== null) return;
    this.#startedAt = performance.now();
    this.#timer = setTimeout(() => this.#controller.abort(), this.#leftMs);
  }

  dispose(): void {
    this.pause();
    this.#given?.removeEventListener('abort', this.#onAbort);
  }
}

/** One group under way. */
class GroupRun<Context, Group extends string> {
  readonly finished: Promise<void>;
  readonly #group: Group;
  readonly #context: Context;
  readonly #results: Map<string, ResultOf<Group>>;
  readonly #timeLeft: TimeLeft;
  readonly #onResult: (result: ResultOf<Group>) => void;
  readonly #waiting: Check<Context>[];
  readonly #done = Promise.withResolvers<void>();
  #running = 0;

  constructor(
    { group, checks }: GroupOfChecks<Context, Group>,
    context: Context,
    results: Map<string, ResultOf<Group>>,
    timeLeft: TimeLeft,
    onResult: (result: ResultOf<Group>) => void,
  ) {
    this.#group = group;
    this.#context = context;
    this.#results = results;
    this.#timeLeft = timeLeft;
    this.#onResult = onResult;
    this.#waiting = [...checks];
    this.finished = this.#done.promise;
    this.#startNext();
  }

  #startNext(): void {
    while (this.#running < atOnce) {
      const index = this.#waiting.findIndex(check => (check.needs ?? []).every(id => this.#results.has(id)));
      if (index < 0) break;
      const [check] = this.#waiting.splice(index, 1);
      this.#running += 1;
      void this.#run(check!);
    }
    if (this.#running === 0) this.#done.resolve();
  }

  async #run(check: Check<Context>): Promise<void> {
    const startedAt = performance.now();
    const outcome = await this.#outcomeOf(check);
    const result: ResultOf<Group> = {
      id: check.id,
      group: this.#group,
      title: check.title,
      ...mapTexts(outcome),
      durationMs: Math.round(performance.now() - startedAt),
    };
    this.#results.set(check.id, result);
    this.#onResult(result);
    this.#running -= 1;
    this.#startNext();
  }

  async #outcomeOf(check: Check<Context>): Promise<Outcome> {
    const missing = (check.needs ?? []).find(
      id => !['passed', 'warning'].includes(this.#results.get(id)!.status),
    );
    if (missing !== undefined) {
      const { title, status } = this.#results.get(missing)!;
      return notRun(
        `It needs ${missing} (${title}), which ${status === 'failed' ? 'failed' : 'was not run'}.`,
      );
    }
    if (this.#timeLeft.signal.aborted) return notRun("The doctor's time was over.");
    return this.#limited(check);
  }

  async #limited(check: Check<Context>): Promise<Outcome> {
    const limitMs = check.limitMs ?? defaultCheckLimitMs;
    const isPatient = limitMs > defaultLimitMs;
    const controller = new AbortController();
    const { promise: over, resolve: giveUp } = Promise.withResolvers<Outcome>();
    const end = (outcome: Outcome) => {
      giveUp(outcome);
      controller.abort();
    };
    const timer = setTimeout(() => {
      const observation = { tried: check.title, seen: `no result within ${limitMs / 1000} s` };
      end(
        failed(
          observation,
          `The check did not end within ${limitMs / 1000} s.`,
          'Repeat it when the machine and the network are less busy.',
        ),
      );
    }, limitMs);
    const onTimeOver = () => end(notRun("The doctor's time was over before this check had ended."));
    this.#timeLeft.signal.addEventListener('abort', onTimeOver, { once: true });
    if (isPatient) this.#timeLeft.pause();
    try {
      return await Promise.race([attempt(check, this.#context, controller.signal), over]);
    } finally {
      if (isPatient) this.#timeLeft.resume();
      clearTimeout(timer);
      this.#timeLeft.signal.removeEventListener('abort', onTimeOver);
      controller.abort();
    }
  }
}

async function attempt<Context>(
  check: Check<Context>,
  context: Context,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    return await check.run(context, signal);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return failed(
      { tried: check.title, seen: message },
      message,
      'If this stays unclear, run the check by hand, and tell us of it.',
    );
  }
}

const longestText = 4_000;

// Banners and names in them come from whoever answered: no control character may reach a terminal.
function mapTexts({ status, ...texts }: Outcome): Outcome {
  const clean = (text: string) => text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').slice(0, longestText);
  const { tried, seen, cause, remedy, command } = texts;
  return {
    status,
    tried: clean(tried),
    seen: clean(seen),
    cause: clean(cause),
    remedy: clean(remedy),
    command: clean(command),
  };
}
