import { getFips } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_CIPHERS, DEFAULT_MAX_VERSION, DEFAULT_MIN_VERSION } from 'node:tls';
import { failed, notRun, type Outcome, passed, warning } from '@postern/protocol/doctor/check';
import { describeService, readServiceState } from '../installation/service-state.ts';
import { describeOs } from '../version.ts';
import { shell } from './by-hand.ts';
import type { Check } from './check.ts';
import type { DoctorContext } from './context.ts';
import { nodeSupportedUntil, readOperatingSystem } from './operating-systems.ts';

const mebibyte = 1024 * 1024;
const leastBytes = 20 * mebibyte;
const fewBytes = 200 * mebibyte;
const leastFiles = 1_024;
const fewPorts = 10_000;

/** The machine that the connector runs on. */
export const machineChecks: readonly Check[] = [
  {
    id: 'machine.operating-system',
    title: 'The operating system gets security updates',
    otherwise: 'A warning, with the day on which support ended.',
    run: context => examineOperatingSystem(context),
  },
  {
    id: 'machine.node',
    title: 'Node is of a release line that gets security updates',
    otherwise: 'A warning, with the day on which support ended.',
    run: context => examineNode(context),
  },
  {
    id: 'machine.openssl',
    title: "OpenSSL and its configuration allow what the service's TLS needs",
    otherwise:
      'A minimum version above 1.3, a maximum below 1.2 or a security level above 3 makes every connection fail.',
    run: context => examineOpenSsl(context),
  },
  {
    id: 'machine.certificate-checks',
    title: 'Certificate checks are not switched off',
    otherwise: 'NODE_TLS_REJECT_UNAUTHORIZED=0 lets anybody answer as the service.',
    run: context => examineCertificateChecks(context),
  },
  {
    id: 'machine.disk',
    title: 'The disk of the data folder has space left',
    otherwise: 'Renewal cannot save a new certificate, and logs are lost.',
    run: context => examineDisk(context),
  },
  {
    id: 'machine.data-folder',
    title: "The connector's folder can be written",
    otherwise:
      'Renewal, status and logs fail: the disk is full or read-only, or the folder belongs to another user.',
    run: context => examineDataFolder(context),
  },
  {
    id: 'machine.file-limit',
    title: 'Enough files may be open at once',
    otherwise: 'Each request may need a connection, and so a file; beyond the limit they fail.',
    run: context => examineFileLimit(context),
  },
  {
    id: 'machine.ports',
    title: 'Enough local ports are left for outbound connections',
    otherwise: 'A warning: busy applications may run out of connections to one backend.',
    run: () => examinePorts(),
  },
  {
    id: 'machine.unit',
    title: 'The system service is installed, enabled and running as its own user',
    otherwise: 'The connector does not run, or not after the next start of the machine.',
    run: context => examineUnit(context),
  },
  {
    id: 'machine.process',
    title: "The connector's process is running",
    otherwise: 'Nothing reaches the applications through this machine.',
    run: context => examineProcess(context),
  },
  {
    id: 'machine.environment',
    title: 'Shell and system service have the same settings',
    otherwise: 'A warning: what works in a shell may not work in the service, for instance through a proxy.',
    run: context => compareEnvironments(context),
  },
];

function examineOperatingSystem({ now }: DoctorContext): Outcome {
  const file = '/etc/os-release';
  if (!existsSync(file)) return notRun(`There is no ${file} on ${describeOs()}.`);
  const { name, supportedUntil } = readOperatingSystem(readFileSync(file, 'utf8'));
  const until =
    supportedUntil === null
      ? 'end of support not known to this release'
      : `supported until ${supportedUntil}`;
  const observation = {
    tried: file,
    seen: `${name} (${describeOs()}), ${until}`,
    command: shell(['cat', file]),
  };
  if (supportedUntil === null || now() <= Date.parse(`${supportedUntil}T23:59:59Z`))
    return passed(observation);
  return warning(
    observation,
    `${name} has had no security updates for everybody since ${supportedUntil}.`,
    'Move the connector to a supported release; register it there and remove this one.',
  );
}

function examineNode({ now }: DoctorContext): Outcome {
  const supportedUntil = nodeSupportedUntil(process.version);
  const until =
    supportedUntil === null
      ? 'end of support not known to this release'
      : `supported until ${supportedUntil}`;
  const observation = {
    tried: process.execPath,
    seen: `Node ${process.version}, ${until}`,
    command: shell([process.execPath, '--version']),
  };
  if (supportedUntil === null || now() <= Date.parse(`${supportedUntil}T23:59:59Z`))
    return passed(observation);
  return warning(
    observation,
    `Node ${process.version} has had no security updates since ${supportedUntil}.`,
    'Install a newer release of the connector, which brings a newer Node.',
  );
}

function examineOpenSsl({ environment }: DoctorContext): Outcome {
  const level = Number(/@SECLEVEL=(\d)/.exec(DEFAULT_CIPHERS)?.[1] ?? '2');
  const file = environment['OPENSSL_CONF'];
  const settings = file === undefined ? [] : readOpenSslSettings(file);
  const seen = [
    `OpenSSL ${process.versions.openssl}`,
    `TLS from ${DEFAULT_MIN_VERSION} to ${DEFAULT_MAX_VERSION}`,
    `security level ${level}`,
    `FIPS ${getFips() === 1 ? 'on' : 'off'}`,
    ...(file === undefined ? [] : [`OPENSSL_CONF=${file}: ${settings.join(', ') || 'no limits for TLS'}`]),
    ...(environment['NODE_OPTIONS'] === undefined ? [] : [`NODE_OPTIONS=${environment['NODE_OPTIONS']}`]),
  ].join(', ');
  const observation = {
    tried: "the TLS library of the connector's Node and its settings",
    seen,
    command: shell([
      process.execPath,
      '-p',
      'process.versions.openssl + " " + tls.DEFAULT_MIN_VERSION + " " + tls.DEFAULT_MAX_VERSION + " " + crypto.getFips()',
    ]),
  };
  if (DEFAULT_MAX_VERSION === 'TLSv1' || DEFAULT_MAX_VERSION === 'TLSv1.1') {
    return failed(
      observation,
      `TLS is limited to ${DEFAULT_MAX_VERSION}; the service speaks 1.2 and 1.3.`,
      'Take --tls-max-v1.x out of NODE_OPTIONS, and MaxProtocol out of OPENSSL_CONF.',
    );
  }
  if (level > 3) {
    return failed(
      observation,
      `Security level ${level} refuses RSA 3072 and P-256, which connector and service use.`,
      'Set a security level of 3 or less (@SECLEVEL in the cipher list or in OPENSSL_CONF).',
    );
  }
  return passed(observation);
}

/** Lines of an OpenSSL configuration that limit TLS. */
function readOpenSslSettings(file: string): string[] {
  try {
    const text = readFileSync(file, 'utf8');
    return [
      ...text.matchAll(
        /^\s*(MinProtocol|MaxProtocol|CipherString|Ciphersuites|Options|activate|fips)\s*=\s*(.+)$/gm,
      ),
    ].map(([, name, value]) => `${name} ${value!.trim()}`);
  } catch (error) {
    return [`cannot be read (${(error as NodeJS.ErrnoException).code})`];
  }
}

function examineCertificateChecks({ environment }: DoctorContext): Outcome {
  const value = environment['NODE_TLS_REJECT_UNAUTHORIZED'];
  const observation = {
    tried: 'NODE_TLS_REJECT_UNAUTHORIZED',
    seen: value === undefined ? 'not set' : `set to ${value}`,
    command: 'printenv NODE_TLS_REJECT_UNAUTHORIZED',
  };
  if (value !== '0') return passed(observation);
  return failed(
    observation,
    'NODE_TLS_REJECT_UNAUTHORIZED=0 switches off every check of certificates: anybody on the way can answer as the service.',
    "Take the variable out of the connector's environment and start it again.",
  );
}

function examineDisk({ dataDir }: DoctorContext): Outcome {
  const folder = nearestFolder(dataDir);
  const { bavail, bsize, ffree, files } = statfsSync(folder);
  const free = bavail * bsize;
  const observation = {
    tried: `space and inodes where ${folder} is`,
    seen: `${Math.floor(free / mebibyte)} MiB and ${files === 0 ? 'unlimited' : ffree} inodes free`,
    command: shell(['df', '-h', folder]),
  };
  const isOut = free < leastBytes || (files > 0 && ffree < 100);
  if (isOut)
    return failed(
      observation,
      'The disk is full or nearly so: a renewed certificate may not fit.',
      `Make room on the disk of ${folder}.`,
    );
  if (free < fewBytes)
    return warning(
      observation,
      'Little space is left on the disk.',
      `Make room on the disk of ${folder} before it is full.`,
    );
  return passed(observation);
}

function nearestFolder(path: string): string {
  let folder = path;
  while (!existsSync(folder) && folder !== join(folder, '..')) folder = join(folder, '..');
  return folder;
}

function examineDataFolder({ dataDir }: DoctorContext): Outcome {
  if (!existsSync(dataDir)) return notRun(`${dataDir} does not exist yet; registration makes it.`);
  const file = join(dataDir, `.doctor-${process.pid}`);
  const command = `${shell(['touch', join(dataDir, '.test')])} && ${shell(['rm', join(dataDir, '.test')])}`;
  const observe = (seen: string) => ({ tried: `writing 4 KiB into ${dataDir}`, seen, command });
  try {
    // Synced: a full disk may say so only then.
    writeFileSync(file, Buffer.alloc(4_096), { mode: 0o600, flag: 'wx', flush: true });
    return passed(observe('written and removed'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      return failed(
        observe(message),
        'The disk, or the quota on it, is full.',
        `Make room on the disk of ${dataDir}.`,
      );
    if (code === 'EROFS')
      return failed(
        observe(message),
        'The disk is read-only, as after an error of it.',
        'Look into the log of the kernel (`dmesg`), and mount it writable again.',
      );
    if (code === 'EACCES' || code === 'EPERM')
      return failed(
        observe(message),
        `This user may not write into ${dataDir}.`,
        `Run the doctor as the user that owns the folder, or as root; or give it to the connector's user with chown -R.`,
      );
    return failed(
      observe(message),
      `${dataDir} cannot be written: ${message}.`,
      'Repair the disk or folder.',
    );
  } finally {
    rmSync(file, { force: true });
  }
}

function examineFileLimit({ status }: DoctorContext): Outcome {
  const processId = status?.isRunning === true ? status.processId : 'self';
  const file = `/proc/${processId}/limits`;
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(text)?.[1];
  if (soft === undefined) return notRun(`${file} does not tell.`);
  const observation = {
    tried: file,
    seen: `${soft} open files${processId === 'self' ? ' (of this shell; the connector is not running)' : ''}`,
    command: shell(['grep', 'open files', file]),
  };
  if (soft === 'unlimited' || Number(soft) >= leastFiles) return passed(observation);
  return warning(
    observation,
    `Only ${soft} files may be open at once.`,
    'Set LimitNOFILE=65536 in the unit (`systemctl edit postern-connector`), or `ulimit -n` before a connector that runs in a shell.',
  );
}

function examinePorts(): Outcome {
  const file = '/proc/sys/net/ipv4/ip_local_port_range';
  if (!existsSync(file)) return notRun(`There is no ${file}.`);
  const [from = 0, to = 0] = readFileSync(file, 'utf8').trim().split(/\s+/).map(Number);
  const observation = { tried: file, seen: `${from} to ${to}`, command: shell(['cat', file]) };
  if (to - from >= fewPorts) return passed(observation);
  return warning(
    observation,
    `Only ${to - from + 1} local ports are there for outbound connections.`,
    'Widen the range: `sysctl -w net.ipv4.ip_local_port_range="1025 64511"`, and in /etc/sysctl.d for good.',
  );
}

async function examineUnit({ status }: DoctorContext): Promise<Outcome> {
  const state = await readServiceState();
  if (state === null)
    return notRun('systemd does not run here; whatever supervises the connector has to start it again.');
  const { unit, isInstalled, isEnabled, isRunning, activity, result, user, processId } = state;
  const observation = {
    tried: unit,
    seen: describeService(state),
    command: shell(['systemctl', 'status', unit]),
  };
  if (!isInstalled) {
    return notRun(
      `There is no ${unit} on this machine; \`postern connector install\` makes it, and after that the connector starts with the machine.`,
    );
  }
  if (!isRunning) {
    const why = result === 'success' ? '' : `; its last run ended with ${result}`;
    return failed(
      observation,
      `${unit} is ${activity}${why}.`,
      `Start it with \`postern connector start\`, and read why it ended with \`journalctl -u ${unit}\`.`,
    );
  }
  if (!isEnabled) {
    return warning(
      observation,
      `${unit} is not enabled: the connector will not start with the machine.`,
      `Run \`systemctl enable ${unit}\`.`,
    );
  }
  if (user === 'root') {
    return warning(
      observation,
      `${unit} runs as root, which it needs for nothing.`,
      'Install it anew with `postern connector install`, which gives it a user of its own.',
    );
  }
  if (status?.isRunning === true && processId > 0 && status.processId !== processId) {
    return warning(
      observation,
      `Process ${status.processId} runs this connector beside the unit's process ${processId}.`,
      'End the one that was started by hand.',
    );
  }
  return passed(observation);
}

function examineProcess({
  settings,
  settingsProblem,
  settingsRemedy,
  status,
  dataDir,
}: DoctorContext): Outcome {
  const command = shell(['postern', 'connector', 'status', '--data', dataDir]);
  if (settingsProblem !== '') {
    return failed(
      { tried: `the settings of the service in ${dataDir}`, seen: settingsProblem, command },
      `A connector with these files does not start: ${settingsProblem}`,
      settingsRemedy,
    );
  }
  if (settings === null) return notRun('No connector is registered here yet.');
  const tried = `run/status.json in ${dataDir} and the process that it names`;
  if (status?.isRunning === true) {
    return passed({
      tried,
      seen: `process ${status.processId}, version ${status.version}, since ${new Date(status.startedAt).toISOString()}`,
      command,
    });
  }
  const seen =
    status === null || status.startedAt === 0
      ? 'it has never run'
      : `it stopped; last heard at ${new Date(status.updatedAt).toISOString()}`;
  return failed(
    { tried, seen, command },
    'The connector is registered and not running.',
    'Start it: `postern connector start` where it is installed as a system service, else `postern connector run`.',
  );
}

/** Variables that change how the connector connects; some may hold a password. */
const telling = [
  'HTTPS_PROXY',
  'https_proxy',
  'HTTP_PROXY',
  'http_proxy',
  'NO_PROXY',
  'no_proxy',
  'NODE_OPTIONS',
  'NODE_EXTRA_CA_CERTS',
  'NODE_TLS_REJECT_UNAUTHORIZED',
  'OPENSSL_CONF',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'RES_OPTIONS',
  'POSTERN_CONNECTOR_DATA',
];

function compareEnvironments({ environment, shellEnvironment, status }: DoctorContext): Outcome {
  if (shellEnvironment === null)
    return notRun('No connector runs whose environment could be read, or it is this process itself.');
  const different = telling.filter(name => (environment[name] ?? '') !== (shellEnvironment[name] ?? ''));
  const show = (name: string) =>
    `${name}: ${hidePassword(environment[name])} in the service, ${hidePassword(shellEnvironment[name])} in this shell`;
  const observation = {
    tried: `the environment of process ${status?.processId ?? ''} and that of this shell`,
    seen: different.length === 0 ? 'no difference that matters' : different.map(show).join('; '),
    command: `tr '\\0' '\\n' < /proc/${status?.processId ?? 'PID'}/environ`,
  };
  if (different.length === 0) return passed(observation);
  return warning(
    observation,
    `Shell and connector differ in ${different.join(', ')}. The checks above went by the connector's own settings.`,
    'Set what the connector needs where it is set for good: outboundProxy in Config/connector.json, or Environment= in the unit (`systemctl edit postern-connector`).',
  );
}

function hidePassword(value: string | undefined): string {
  if (value === undefined || value === '') return 'not set';
  return value.replace(/\/\/[^@/]*@/, '//…@');
}

/** The variables that a process of this machine runs with; null where this user may not read them. */
export function environmentOf(processId: number): Record<string, string> | null {
  try {
    const text = readFileSync(`/proc/${processId}/environ`, 'utf8');
    return Object.fromEntries(
      text
        .split('\0')
        .filter(entry => entry.includes('='))
        .map(entry => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
    );
  } catch {
    return null;
  }
}

/** Who owns a folder; null where it does not exist or this user may not look. */
export function ownerOf(folder: string): { readonly uid: number; readonly gid: number } | null {
  try {
    const { uid, gid } = statSync(folder);
    return { uid, gid };
  } catch {
    return null;
  }
}
