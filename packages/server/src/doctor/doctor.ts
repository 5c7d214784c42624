import { statSync } from 'node:fs';
import type { ReportOf } from '@postern/protocol/doctor';
import { type GroupOfChecks, type RunOptions, runChecks } from '@postern/protocol/doctor/run-checks';
import { serverVersion } from '../version.ts';
import { alertChecks } from './alerts.ts';
import { clockChecks } from './clock.ts';
import type { ServiceContext, ServiceGroup } from './context.ts';
import { keyChecks } from './keys.ts';
import { machineChecks } from './machine.ts';
import { nameChecks } from './names.ts';
import { portChecks } from './ports.ts';
import { storeChecks } from './store.ts';

/** Every check of the service, in the order in which the groups are gone through, with their exit codes. */
export const serviceChecks: readonly GroupOfChecks<ServiceContext, ServiceGroup>[] = [
  { group: 'names', exitCode: 10, checks: nameChecks },
  { group: 'ports', exitCode: 20, checks: portChecks },
  { group: 'clock', exitCode: 30, checks: clockChecks },
  { group: 'store', exitCode: 40, checks: storeChecks },
  { group: 'keys', exitCode: 50, checks: keyChecks },
  { group: 'alerts', exitCode: 60, checks: alertChecks },
  { group: 'machine', exitCode: 70, checks: machineChecks },
];

/** Goes through all checks of the service, whether it runs or not, and says what it found. */
export async function runServiceDoctor(
  context: ServiceContext,
  options: RunOptions<ServiceGroup> = {},
): Promise<ReportOf<ServiceGroup>> {
  const { results, exitCode } = await runChecks(serviceChecks, context, options);
  return {
    at: context.now(),
    version: serverVersion,
    service: context.config.domain,
    restart: judgeRestart(context),
    results,
    exitCode,
  };
}

/** Whether a restart could help: where something has changed that is read at the start only. */
function judgeRestart({ running, configFile }: ServiceContext): ReportOf<ServiceGroup>['restart'] {
  if (running === null) return null;
  const changedAt = statSync(configFile, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const changes = [
    ...(running.version === serverVersion
      ? []
      : [`version ${running.version} runs and ${serverVersion} is installed`]),
    ...(running.startedAt !== null && changedAt > running.startedAt
      ? [`${configFile} was changed after the service started`]
      : []),
  ];
  return changes.length > 0
    ? { couldHelp: true, reason: `A restart could help: ${changes.join('; ')}.` }
    : {
        couldHelp: false,
        reason:
          'A restart will not help: version and configuration are as they were when the service started.',
      };
}
