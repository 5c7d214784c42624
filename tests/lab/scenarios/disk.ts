import path from 'node:path';
import type { Lab } from '../lab.ts';
import type { Scenario } from '../scenario.ts';

const certificateRenewed = 1003;
const renewalFailed = 1004;
/** Two thirds of a certificate's life of 180 days, and some more. */
const dueDays = 130;
/** What the doctor ends with where the machine is at fault. */
const machineFailed = 40;

const system = {
  sync: 'fsync,fdatasync',
  rename: 'rename,renameat,renameat2',
  write: 'write,pwrite64,writev,pwritev',
} as const;

interface DiskError {
  readonly call: keyof typeof system;
  readonly error: 'ENOSPC' | 'EIO';
  /** Which of the calls fail, in the language of strace, which counts them for each thread; default: all. */
  readonly when?: string;
  /** Below the connector's folder; of a rename, what the file is called before. Default: all files. */
  readonly file?: string;
}

/**
 * Disks that fail while certificates are renewed and registered: calls of the system that fail by strace. The doctor is
 * run on the same failing disk.
 */
export const diskScenarios: readonly Scenario[] = [
  renewal('the disk is full for a moment while a key is renewed', {
    error: { call: 'sync', error: 'ENOSPC', when: '1' },
    cause: /The disk, or the quota on it, is full/,
    remedy: /Make room/,
    recoversByItself: true,
  }),
  renewal('the disk cannot rename the trust settings after a renewal', {
    error: { call: 'rename', error: 'EIO', file: 'Config/TrustSettings.xml.new' },
    cause: /cannot be written: EIO/,
    remedy: /Repair the disk/,
    recoversByItself: false,
  }),
  renewal('the disk cannot write the trust settings after a renewal', {
    error: { call: 'write', error: 'EIO', file: 'Config/TrustSettings.xml.new' },
    cause: /cannot be written: EIO/,
    remedy: /Repair the disk/,
    recoversByItself: false,
  }),
  {
    name: 'the disk fails at each step of a registration in turn',
    async lay(lab) {
      for (const error of registrationErrors) await registerOnFailingDisk(lab, error);
      return () => {};
    },
    diagnose: lab => lab.doctor([], { prefix: failing(lab, { call: 'sync', error: 'EIO' }) }),
    verdict: {
      exitCode: machineFailed,
      check: 'machine.data-folder',
      cause: /cannot be written: EIO/,
      remedy: /Repair the disk/,
    },
    recover: lab => lab.registerAgain(),
  },
];

interface FailedRenewal {
  readonly error: DiskError;
  readonly cause: RegExp;
  readonly remedy: RegExp;
  /** Whether the connector renews without being touched. */
  readonly recoversByItself: boolean;
}

function renewal(name: string, { error, cause, remedy, recoversByItself }: FailedRenewal): Scenario {
  return {
    name,
    async lay(lab) {
      await lab.age(dueDays);
      await lab.relaunch(failing(lab, error));
      return () => {};
    },
    diagnose: lab => lab.doctor([], { prefix: failing(lab, { call: 'sync', error: error.error }) }),
    verdict: { exitCode: machineFailed, check: 'machine.data-folder', cause, remedy },
    event: renewalFailed,
    async recover(lab) {
      const log = lab.followLog();
      if (!recoversByItself) await lab.startConnector();
      await log.untilEvent(certificateRenewed);
    },
  };
}

/** From the first file that registration writes to the last. */
const registrationErrors: readonly DiskError[] = [
  { call: 'sync', error: 'ENOSPC', when: '1' },
  { call: 'sync', error: 'EIO', when: '4' },
  { call: 'sync', error: 'ENOSPC', when: '6' },
  { call: 'rename', error: 'EIO', when: '2' },
  { call: 'write', error: 'ENOSPC', file: 'Config/service.json.new' },
  { call: 'rename', error: 'ENOSPC', file: 'Config/service.json.new' },
  { call: 'write', error: 'EIO', file: 'Config/TrustSettings.xml.new' },
  { call: 'rename', error: 'EIO', file: 'Config/TrustSettings.xml.new' },
];

/** Whatever step fails, the command says so, and an identity is left that the service accepts. */
async function registerOnFailingDisk(lab: Lab, error: DiskError): Promise<void> {
  const what = JSON.stringify(error);
  const { exitCode, errors } = await lab.tryToRegister(failing(lab, error));
  if (exitCode !== machineFailed) throw new Error(`${what}: register ended with ${exitCode}: ${errors}`);
  if (!/cannot be read and written/.test(errors)) throw new Error(`${what}: it said ${errors}`);
  await lab.startConnector();
}

/** Has calls of the system fail for the program behind it. One thread works with files then, so that calls are counted. */
function failing(lab: Lab, { call, error, when, file }: DiskError): string[] {
  const calls = system[call];
  const injection = `inject=${calls}:error=${error}${when === undefined ? '' : `:when=${when}`}`;
  const only = file === undefined ? [] : ['-P', path.join(lab.dataDir, file)];
  // Tracing from beside keeps the program itself the one that signals reach.
  const strace = [
    'strace',
    '-D',
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    ...only,
    '-e',
    `trace=${calls}`,
    '-e',
    injection,
  ];
  return ['env', 'UV_THREADPOOL_SIZE=1', ...strace];
}
