import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { DoctorReport } from '@postern/protocol/doctor';
import { connectorVersion } from '../version.ts';
import type { DoctorContext } from './context.ts';

/** Files that a connector reads at its start, and only then. */
const readAtStart = ['connector.json', 'service.json'];
const clockStepMs = 60_000;

/**
 * Whether a restart, the first advice of every guide, could help here: it can where something has changed since the
 * connector started that it reads only then.
 *
 * @returns null where no connector runs.
 */
export function judgeRestart({
  status,
  dataDir,
  now,
}: Pick<DoctorContext, 'status' | 'dataDir' | 'now'>): DoctorReport['restart'] {
  if (status === null || !status.isRunning) return null;
  const changes = [
    ...(status.version === connectorVersion
      ? []
      : [`version ${status.version} runs and ${connectorVersion} is installed`]),
    ...readAtStart
      .filter(name => modifiedAt(join(dataDir, 'Config', name)) > status.startedAt)
      .map(name => `Config/${name} was changed after the connector started`),
    ...clockStep(status.processId, status.startedAt, now()),
  ];
  if (changes.length > 0) return { couldHelp: true, reason: `A restart could help: ${changes.join('; ')}.` };
  return {
    couldHelp: false,
    reason:
      'A restart will not help: version, configuration and clock are as they were when the connector started.',
  };
}

function modifiedAt(file: string): number {
  try {
    return statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}

/** Compares when the process says that it started with how long the kernel says that it has run. */
function clockStep(processId: number, startedAt: number, now: number): string[] {
  const ageMs = processAgeMs(processId);
  if (ageMs === null) return [];
  const stepMs = now - ageMs - startedAt;
  if (Math.abs(stepMs) < clockStepMs) return [];
  return [
    `the clock was set ${stepMs > 0 ? 'forward' : 'back'} by ${Math.round(Math.abs(stepMs) / 60_000)} minutes since`,
  ];
}

/** By proc(5): field 22 of stat is the start in ticks (100 a second) since the machine's own. */
function processAgeMs(processId: number): number | null {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, 'utf8');
    const startedTicks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    const uptimeSeconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
    return uptimeSeconds * 1_000 - startedTicks * 10;
  } catch {
    return null;
  }
}
