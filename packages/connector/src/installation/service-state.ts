import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { serviceUnit } from './places.ts';
import { isSystemdRunning } from './systemd.ts';

/** What systemd says of the connector's service on this machine. */
export interface ServiceState {
  readonly unit: string;
  readonly isInstalled: boolean;
  /** Whether it starts with the machine. */
  readonly isEnabled: boolean;
  readonly isRunning: boolean;
  /** Whom it runs as. */
  readonly user: string;
  /** In systemd's words, such as `active (running)`. */
  readonly activity: string;
  /** How the last run ended, `success` while there is none that failed. */
  readonly result: string;
  /** 0 where it does not run. */
  readonly processId: number;
}

const run = promisify(execFile);
const limitMs = 3_000;

/** Asks systemd; null where systemd does not run this machine, or does not answer. */
export async function readServiceState(): Promise<ServiceState | null> {
  if (!isSystemdRunning()) return null;
  const names = ['LoadState', 'UnitFileState', 'ActiveState', 'SubState', 'Result', 'User', 'MainPID'];
  let answer: string;
  try {
    const asked = ['show', serviceUnit, `--property=${names.join(',')}`];
    answer = (await run('systemctl', asked, { timeout: limitMs })).stdout;
  } catch {
    return null;
  }
  const properties = new Map(
    answer.split('\n').map(line => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  const property = (name: string) => properties.get(name) ?? '';
  return {
    unit: serviceUnit,
    isInstalled: property('LoadState') === 'loaded',
    isEnabled: property('UnitFileState') === 'enabled',
    isRunning: property('ActiveState') === 'active',
    user: property('User') || 'root',
    activity: `${property('ActiveState')} (${property('SubState')})`,
    result: property('Result'),
    processId: Number(property('MainPID')),
  };
}

/** The same in a few words, such as `installed, enabled, active (running), as postern-connector`. */
export function describeService({ isInstalled, isEnabled, activity, user }: ServiceState): string {
  if (!isInstalled) return 'not installed';
  return `installed, ${isEnabled ? 'enabled' : 'not enabled'}, ${activity}, as ${user}`;
}
