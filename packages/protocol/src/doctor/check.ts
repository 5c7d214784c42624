import type { CheckResult } from '../doctor.ts';

/** One thing that a doctor looks at. */
export interface Check<Context> {
  /** Stable; begins with its group. */
  readonly id: string;
  /** What holds when it passes, as a sentence without its full stop. */
  readonly title: string;
  /** What does not work where it does not hold; for the manual. */
  readonly otherwise: string;
  /** Ids of checks that come before: where one of them failed or was not run, this one is not run. */
  readonly needs?: readonly string[];
  /** It may take this long. Default 6 000. */
  readonly limitMs?: number;
  /** An error that it throws is a failure of the check with that message. */
  run(context: Context, signal: AbortSignal): Promise<Outcome> | Outcome;
}

export type Outcome = Pick<CheckResult, 'status' | 'tried' | 'seen' | 'cause' | 'remedy' | 'command'>;

/** What was done and seen; every outcome has it. */
export interface Observation {
  readonly tried: string;
  readonly seen: string;
  /** A command that repeats the check by hand. */
  readonly command?: string;
}

export function passed({ tried, seen, command = '' }: Observation): Outcome {
  return { status: 'passed', tried, seen, cause: '', remedy: '', command };
}

export function failed(observation: Observation, cause: string, remedy: string): Outcome {
  return { ...passed(observation), status: 'failed', cause, remedy };
}

/** Something is wrong that can be lived with; `cause` says what is lost. */
export function warning(observation: Observation, cause: string, remedy: string): Outcome {
  return { ...passed(observation), status: 'warning', cause, remedy };
}

/** Says nothing about the matter, which is never the same as that all is well. */
export function notRun(cause: string, remedy = ''): Outcome {
  return { status: 'not_run', tried: '', seen: '', cause, remedy, command: '' };
}
