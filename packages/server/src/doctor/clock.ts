import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { failed, notRun, type Outcome, passed, warning } from '@postern/protocol/doctor/check';
import type { ServiceCheck, ServiceContext } from './context.ts';
import { lookFromOutside } from './outside.ts';

const run = promisify(execFile);
const warningMs = 5 * 60_000;
/** Certificates of the service are valid from that long before their issue. */
const backDatedMs = 48 * 3_600_000;

const setClock =
  'Set the clock that is wrong and keep it set: `timedatectl set-ntp true`, or a time server of your own. Compare `date -u` with a clock that you trust.';

/** The clock of the service's machine. */
export const clockChecks: readonly ServiceCheck[] = [
  {
    id: 'clock.synchronized',
    title: 'The clock of this machine is kept by a time server',
    otherwise: 'A warning: certificates and sign-ins go by the clock, and one that nobody sets goes wrong.',
    run: () => askSystem(),
  },
  {
    id: 'clock.connectors',
    title: 'The clock of this machine agrees with that of a connector on another one',
    otherwise: 'One of the two is wrong: certificates seem expired or not yet valid, sign-ins fail.',
    limitMs: 45_000,
    run: (context, signal) => compare(context, signal),
  },
];

async function askSystem(): Promise<Outcome> {
  const command = 'timedatectl show -p NTPSynchronized --value';
  const [program, ...args] = command.split(' ');
  let said: string;
  try {
    said = (await run(program!, args, { timeout: 3_000 })).stdout.trim();
  } catch {
    return notRun('timedatectl cannot tell here, as where systemd does not run.');
  }
  if (said !== 'yes' && said !== 'no') return notRun('timedatectl does not tell.');
  const observation = { tried: command, seen: said, command };
  if (said === 'yes') return passed(observation);
  return warning(observation, 'No time server keeps the clock of this machine.', setClock);
}

async function compare(context: ServiceContext, signal: AbortSignal): Promise<Outcome> {
  const view = await lookFromOutside(context, signal);
  if ('missing' in view) return notRun(view.missing);
  const aheadMs = view.at - view.report.at;
  const off = `${Math.round(Math.abs(aheadMs) / 1_000)} s ${aheadMs >= 0 ? 'ahead of' : 'behind'} that of ${view.connector}`;
  const observation = {
    tried: `the time that the connector ${view.connector} tells, when its report comes`,
    seen: `the clock of this machine is ${off}`,
    command: 'date -u',
  };
  if (Math.abs(aheadMs) <= warningMs) return passed(observation);
  const cause = `The clock of this machine is ${off}: one of the two is wrong.`;
  return Math.abs(aheadMs) > backDatedMs
    ? failed(observation, cause, setClock)
    : warning(observation, cause, setClock);
}
