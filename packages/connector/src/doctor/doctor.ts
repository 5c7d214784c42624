import { type CheckGroup, checkGroups, type DoctorReport, groupExitCodes } from '@postern/protocol/doctor';
import { type RunOptions, runChecks } from '@postern/protocol/doctor/run-checks';
import { connectorVersion } from '../version.ts';
import { administratorChecks } from './administrator.ts';
import { backendChecks } from './backend.ts';
import type { Check } from './check.ts';
import { connectivityChecks } from './connectivity.ts';
import type { DoctorContext } from './context.ts';
import { findLogFiles } from './log-files.ts';
import { machineChecks } from './machine.ts';
import { judgeRestart } from './restart.ts';
import { trustChecks } from './trust.ts';

/** Every check, in the order in which the groups are gone through. */
export const checksByGroup: Readonly<Record<CheckGroup, readonly Check[]>> = {
  connectivity: connectivityChecks,
  trust: trustChecks,
  administrator: administratorChecks,
  machine: machineChecks,
  backend: backendChecks,
};

/** Goes through all checks and says what it found. With a sign-in, the time of the person is not counted. */
export async function runDoctor(
  context: DoctorContext,
  options: RunOptions<CheckGroup> = {},
): Promise<DoctorReport> {
  const groups = checkGroups.map(group => ({
    group,
    exitCode: groupExitCodes[group],
    checks: checksByGroup[group],
  }));
  const { results, exitCode } = await runChecks(groups, context, options);
  const { service } = context;
  return {
    at: context.now(),
    version: connectorVersion,
    service: service === null ? '' : `${service.connect}:${service.port}`,
    restart: judgeRestart(context),
    results,
    exitCode,
    logFiles: findLogFiles(context.dataDir),
  };
}
