import { parseArgs } from 'node:util';
import { formatFindings, formatLine } from '@postern/protocol/doctor/format-report';
import { type CommandLog, withCommandLog } from '../installation/command-log.ts';
import { type InstallOptions, type InstallStep, installConnector } from '../installation/install.ts';
import { places } from '../installation/places.ts';
import { findProgramSource, installedProgram } from '../installation/program-files.ts';
import { installedDataDir, writeUnit } from '../installation/unit.ts';
import { waitUntilConnected } from '../installation/wait-until-connected.ts';
import { connectorVersion } from '../version.ts';
import { type ConnectorCommand, dataDirOf, dataOption, exitCodes } from './command.ts';
import { type Registration, readRegistration, registerMachine } from './register.ts';

/** Options that go on to the registration as they are. */
const registerOptions = {
  'token-file': { type: 'string' },
  service: { type: 'string' },
  'ca-file': { type: 'string' },
  'outbound-proxy': { type: 'string' },
  'outbound-proxy-password-file': { type: 'string' },
  'connector-group': { type: 'string' },
  name: { type: 'string' },
  key: { type: 'string' },
} as const;

export const installCommand: ConnectorCommand = {
  name: 'install',
  summary: 'make the connector a service: files, user, unit, registration, start, doctor; repeatable',
  options: `\
  --token-file <file>      enrolment token, or access token of an administrator, to register with unless this machine is
                           registered already; "-" reads it from the standard input. Without it,
                           $POSTERN_ENROLMENT_TOKEN or $POSTERN_TOKEN is used, if there is one.
  --no-register            register later: for images that many machines are made from
  --service <domain>       with an access token, as for "register"; and so are these:
  --ca-file <file>
  --outbound-proxy <url>
  --outbound-proxy-password-file <file>
  --connector-group <id>
  --name <name>
  --key rsa3072|p384
  --print                  print the unit of systemd and change nothing
  --json                   one JSON document, with the doctor's report in it

The doctor has the last word: the exit code is that of the first group in which something failed, as of "doctor", also
where registering was what failed. It is 1 where the installation itself failed, and 0 where nothing did.`,
  run: install,
};

/** A healthy connector is connected long before; the doctor says why another is not. */
const connectLimitMs = 15_000;

async function install(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataOption,
      ...registerOptions,
      'no-register': { type: 'boolean', default: false },
      print: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const dataDir = values.data ?? installedDataDir(places) ?? dataDirOf(undefined);
  const source = findProgramSource(process.argv[1]);
  if (values.print) {
    process.stdout.write(writeUnit(places, installedProgram(source), dataDir));
    return exitCodes.done;
  }
  const isToRegister = !values['no-register'] && hasToken(values['token-file']);
  const attempt: { wanted: Registration | null } = { wanted: null };
  try {
    return await withCommandLog('install', log =>
      installWith(log, values.json, {
        places,
        dataDir,
        source,
        version: connectorVersion,
        register: async () => {
          attempt.wanted = await readRegistration(['--data', dataDir, ...argumentsOf(values)]);
          return (await registerMachine(attempt.wanted)).proxy;
        },
        isToRegister,
      }),
    );
  } catch (error) {
    if (attempt.wanted === null) throw error;
    return explainRegistration(error, attempt.wanted, values.json);
  }
}

type Wishes = Omit<InstallOptions, 'onStep'> & { readonly isToRegister: boolean };

async function installWith(log: CommandLog, asJson: boolean, wishes: Wishes): Promise<number> {
  const steps: InstallStep[] = [];
  const startedAfter = Date.now();
  const { isToRegister, register, dataDir } = wishes;
  const done = await installConnector({
    ...wishes,
    register: isToRegister ? register : null,
    onStep(step) {
      steps.push(step);
      tell(log, asJson, `${step.changed ? '+' : '='} ${step.text}`);
    },
  });
  const hasRestarted = steps.some(({ name, changed }) => name === 'service' && changed);
  const since = hasRestarted ? startedAfter : 0;
  const changed = steps.some(step => step.changed);
  if (!changed) tell(log, asJson, 'Nothing had to be changed.');
  if (done.unit !== null && !asJson) tellHowToSupervise(log, done.unit);
  const end = done.isStarted ? await judge(log, dataDir, since, asJson) : null;
  if (asJson) {
    print({
      version: connectorVersion,
      dataDir,
      connectorId: done.connectorId,
      changed,
      steps,
      state: end?.state ?? null,
      unit: done.unit,
      doctor: end?.report ?? null,
      logFile: log.file,
    });
  }
  return end?.report.exitCode ?? exitCodes.done;
}

function hasToken(file: string | undefined): boolean {
  const { POSTERN_ENROLMENT_TOKEN: enrolment, POSTERN_TOKEN: access } = process.env;
  return file !== undefined || Boolean(enrolment?.trim() || access?.trim());
}

function argumentsOf(values: Readonly<Record<string, string | boolean | undefined>>): string[] {
  return Object.keys(registerOptions).flatMap(name => {
    const value = values[name];
    return typeof value === 'string' ? [`--${name}`, value] : [];
  });
}

/** The end of an installation is the doctor's word. */
async function judge(log: CommandLog, dataDir: string, startedAfter: number, isSilent: boolean) {
  const { state } = await waitUntilConnected(dataDir, startedAfter, connectLimitMs);
  log.note(`The connector is ${state}.`);
  const { examine } = await import('./doctor.ts');
  const report = await examine({
    dataDir,
    token: null,
    signIn: false,
    onResult: result => {
      if (!isSilent) process.stdout.write(formatLine(result));
    },
  });
  if (!isSilent) process.stdout.write(formatFindings(report));
  log.note(`The doctor ended with ${report.exitCode}.`);
  return { state, report };
}

async function explainRegistration(error: unknown, wanted: Registration, asJson: boolean): Promise<number> {
  const { examineFailure } = await import('./examine-failure.ts');
  const failure = await examineFailure(error, wanted, { isSilent: asJson });
  const { code, category, message, remedy } = failure.error;
  const { logFile = null } = error as { logFile?: string };
  if (asJson) print({ error: { code, category, message, remedy }, doctor: failure.report, logFile });
  return failure.exitCode;
}

function print(document: object): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

function tellHowToSupervise(log: CommandLog, unit: string): void {
  tell(
    log,
    false,
    'systemd does not run this machine. Have what does run the command after ExecStart, as the user after User:',
  );
  process.stdout.write(`\n${unit}`);
}

function tell(log: CommandLog, isSilent: boolean, text: string): void {
  log.note(text);
  if (!isSilent) process.stdout.write(`${text}\n`);
}
