import type { Diagnosis, Lab, Lift } from './lab.ts';

/** What the doctor has to say of a fault. */
export interface Verdict {
  /** That of the first group in which something failed; 0 where nothing more than a warning is to be given. */
  readonly exitCode: number;
  readonly check: string;
  readonly status?: 'failed' | 'warning';
  readonly cause: RegExp;
  readonly remedy: RegExp;
}

/** A fault in the lab, what the doctor makes of it, and how the connector comes back. */
export interface Scenario {
  readonly name: string;
  readonly lay: (lab: Lab) => Promise<Lift> | Lift;
  /** How the doctor is run while the fault is there. Default: as it is. */
  readonly diagnose?: (lab: Lab) => Promise<Diagnosis>;
  /** Null: nothing is to be called broken, in whatever time it takes; a warning may be given. */
  readonly verdict: Verdict | null;
  /** What leads the connector into the fault, where laying it is not enough; comes before the doctor. */
  readonly provoke?: (lab: Lab) => Promise<void>;
  /** Number of an event that the connector has to write because of it. */
  readonly event?: number;
  /** Number of an event that it must not write. */
  readonly noEvent?: number;
  /** The command that the remedy names, where lifting the fault is not enough. */
  readonly recover?: (lab: Lab) => Promise<void>;
}

export interface ScenarioResult {
  readonly name: string;
  readonly expected: string;
  /** Why it failed; empty where it passed. */
  readonly problem: string;
  readonly doctorMs: number;
}

/** Lays a fault, has the doctor look, lifts it, and waits for the connector to be back. */
export async function runScenario(lab: Lab, scenario: Scenario): Promise<ScenarioResult> {
  let doctorMs = 0;
  let problem = '';
  let lift: Lift = () => {};
  const log = lab.followLog();
  try {
    lift = await scenario.lay(lab);
    await scenario.provoke?.(lab);
    const diagnosis = await (scenario.diagnose ?? (each => each.doctor()))(lab);
    doctorMs = diagnosis.tookMs;
    problem = compare(scenario.verdict, diagnosis);
    if (problem === '' && scenario.event !== undefined) await log.untilEvent(scenario.event);
  } catch (error) {
    problem = messageOf(error);
  }
  try {
    await lift();
    await scenario.recover?.(lab);
    await lab.untilConnected();
    if (scenario.noEvent !== undefined && log.hasEvent(scenario.noEvent))
      problem ||= `the event ${scenario.noEvent} was written`;
  } catch (error) {
    problem ||= messageOf(error);
  }
  return { name: scenario.name, expected: describe(scenario), problem, doctorMs };
}

function describe({ verdict, event }: Scenario): string {
  const said = verdict === null ? '0' : `${verdict.exitCode} ${verdict.check}`;
  return event === undefined ? said : `${said}, event ${event}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function compare(verdict: Verdict | null, { report, exitCode, tookMs }: Diagnosis): string {
  const seen = report.results
    .filter(one => one.status === 'failed' || one.status === 'warning')
    .map(one => `${one.id} ${one.status}: ${one.cause} | ${one.remedy}`)
    .join('\n      ');
  const said = `the doctor ended with ${exitCode} after ${Math.round(tookMs)} ms:\n      ${seen || 'nothing wrong'}`;
  if (verdict === null) return exitCode === 0 ? '' : `nothing was to fail; ${said}`;
  const { status = 'failed' } = verdict;
  if (exitCode !== verdict.exitCode) return `exit code ${verdict.exitCode} was expected; ${said}`;
  const result = report.results.find(one => one.id === verdict.check);
  if (result === undefined) return `there is no check ${verdict.check}; ${said}`;
  if (result.status !== status) return `${verdict.check} is ${result.status}, not ${status}; ${said}`;
  if (!verdict.cause.test(result.cause)) return `cause is not ${verdict.cause}; ${said}`;
  if (!verdict.remedy.test(result.remedy)) return `remedy is not ${verdict.remedy}; ${said}`;
  if (tookMs > worstMs) return `took ${Math.round(tookMs)} ms, more than ${worstMs}`;
  return '';
}

/** What the worst fault may take; a machine that does other things at the same time is given as much again. */
const worstMs = 40_000;
