import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { failed, notRun, type Outcome, passed, warning } from '@postern/protocol/doctor/check';
import { serviceUnit, socketUnit } from '../operate/service-units.ts';
import { serverVersion } from '../version.ts';
import type { ServiceCheck, ServiceContext } from './context.ts';

const run = promisify(execFile);
/** What the service has open beside connections: files, sockets of its processes, the database. */
const ownFiles = 256;

/** The machine that the service runs on. */
export const machineChecks: readonly ServiceCheck[] = [
  {
    id: 'machine.process',
    title: 'The service runs and answers',
    otherwise: 'Nobody reaches anything, or nobody can sign in.',
    run: context => examineProcess(context),
  },
  {
    id: 'machine.file-limit',
    title: 'Enough files may be open at once',
    otherwise:
      'Each connection of a browser, a connector or a backend is one; beyond the limit they are refused.',
    run: context => examineFileLimit(context),
  },
  {
    id: 'machine.unit',
    title: 'The system service is installed, enabled and running as its own user',
    otherwise: 'The service does not come back after a crash or with the machine.',
    run: context => examineUnit(context),
  },
];

function examineProcess({ running, runningProblem, paths }: ServiceContext): Outcome {
  const observation = { tried: paths.controlSocket, command: 'systemctl status postern.service' };
  if (running === null) {
    return failed(
      { ...observation, seen: runningProblem },
      `The service does not run, or its control process does not: ${runningProblem}.`,
      'Start it (`systemctl start postern.service`, or `postern serve`), and read in its log why it ended (`journalctl -u postern`).',
    );
  }
  const seen = `process ${running.processId}, version ${running.version}, ${running.connectors.length} connectors connected`;
  if (running.version === serverVersion) return passed({ ...observation, seen });
  return warning(
    { ...observation, seen },
    `Version ${running.version} runs, and ${serverVersion} is installed.`,
    'Restart the service: `systemctl restart postern.service` refuses no connection meanwhile.',
  );
}

function examineFileLimit({ config, running }: ServiceContext): Outcome {
  if (running === null)
    return notRun('The service does not run; the limit of this shell says nothing of it.');
  const file = `/proc/${running.processId}/limits`;
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1];
  if (soft === undefined) return notRun(`${file} does not tell.`);
  const needed = config.limits.maxConnections + ownFiles;
  const observation = {
    tried: file,
    seen: `${soft} open files; limits.maxConnections is ${config.limits.maxConnections}`,
    command: `grep 'open files' ${file}`,
  };
  if (soft === 'unlimited' || Number(soft) >= needed) return passed(observation);
  return warning(
    observation,
    `Only ${soft} files may be open at once, and limits.maxConnections promises ${config.limits.maxConnections} connections.`,
    `Set LimitNOFILE=${Math.max(65_536, needed * 2)} in the unit (\`systemctl edit ${serviceUnit}\`), or \`ulimit -n\` before a service that runs in a shell; or lower limits.maxConnections.`,
  );
}

async function examineUnit({ running }: ServiceContext): Promise<Outcome> {
  if (!existsSync('/run/systemd/system')) {
    return notRun('systemd does not run here; whatever supervises the service has to start it again.');
  }
  const unit = await propertiesOf(serviceUnit);
  const socket = await propertiesOf(socketUnit);
  if (unit['LoadState'] !== 'loaded') {
    return notRun(
      `There is no ${serviceUnit} on this machine; \`postern service install\` makes it, and after that the service starts with the machine.`,
    );
  }
  const observation = {
    tried: `${serviceUnit} and ${socketUnit}`,
    seen: `${unit['ActiveState']} (${unit['SubState']}), ${unit['UnitFileState']}, user ${unit['User'] || 'root'}; socket ${socket['ActiveState']}`,
    command: `systemctl status ${serviceUnit} ${socketUnit}`,
  };
  if (unit['ActiveState'] !== 'active') {
    const why = unit['Result'] === 'success' ? '' : `; its last run ended with ${unit['Result']}`;
    return failed(
      observation,
      `${serviceUnit} is ${unit['ActiveState']}${why}.`,
      `Read why in \`journalctl -u ${serviceUnit}\`, and start it with \`systemctl start ${serviceUnit}\`.`,
    );
  }
  if (unit['UnitFileState'] !== 'enabled') {
    return warning(
      observation,
      `${serviceUnit} is not enabled: the service will not start with the machine.`,
      `Run \`systemctl enable ${serviceUnit} ${socketUnit}\`.`,
    );
  }
  if (['', 'root'].includes(unit['User'] ?? '')) {
    return warning(
      observation,
      'The service runs as root.',
      'Run `postern service install` again, which makes a user for it.',
    );
  }
  const mainPid = Number(unit['MainPID']);
  if (running !== null && mainPid > 0 && mainPid !== running.processId) {
    return warning(
      observation,
      `Process ${running.processId} serves under this configuration, and the unit's process is ${mainPid}.`,
      'End the one that was started by hand.',
    );
  }
  return passed(observation);
}

async function propertiesOf(unit: string): Promise<Record<string, string>> {
  const names = ['LoadState', 'UnitFileState', 'ActiveState', 'SubState', 'Result', 'User', 'MainPID'];
  const { stdout } = await run('systemctl', ['show', unit, `--property=${names.join(',')}`], {
    timeout: 3_000,
  });
  const pairs = stdout.split('\n').filter(line => line.includes('='));
  return Object.fromEntries(
    pairs.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}
