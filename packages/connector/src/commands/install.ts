import { parseArgs } from 'node:util';
import { type CommandLog, withCommandLog } from '../installation/command-log.ts';
import { type Installation, type InstallStep, installConnector } from '../installation/install.ts';
import { places } from '../installation/places.ts';
import { findProgramSource, installedProgram } from '../installation/program-files.ts';
import { installedDataDir, writeUnit } from '../installation/unit.ts';
import { waitUntilConnected } from '../installation/wait-until-connected.ts';
import { connectorVersion } from '../version.ts';
import { type ConnectorCommand, dataDirOf, dataOption, exitCodes } from './command.ts';
import { registerMachine } from './register.ts';
import { reportStatus } from './status.ts';
import { commands } from './table.ts';

/** Options that go on to the registration as they are. */
const registerOptions = {
  'token-file': { type: 'string' },
  service: { type: 'string' },
  'ca-file': { type: 'string' },
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
  --connector-group <id>
  --name <name>
  --key rsa3072|p384
  --print                  print the unit of systemd and change nothing
  --json                   one JSON document, and no doctor`,
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
  return withCommandLog('install', async log => {
    const steps: InstallStep[] = [];
    const startedAfter = Date.now();
    const done = await installConnector({
      places,
      dataDir,
      source,
      version: connectorVersion,
      register: isToRegister ? () => register(dataDir, values) : null,
      onStep(step) {
        steps.push(step);
        tell(log, values.json, `${step.changed ? '+' : '='} ${step.text}`);
      },
    });
    const hasRestarted = steps.some(({ name, changed }) => name === 'service' && changed);
    const since = hasRestarted ? startedAfter : 0;
    if (values.json) return printDocument(log, dataDir, done, steps, since);
    if (!steps.some(({ changed }) => changed)) tell(log, false, 'Nothing had to be changed.');
    if (done.unit !== null) tellHowToSupervise(log, done.unit);
    return done.isStarted ? finish(log, dataDir, since) : exitCodes.done;
  });
}

function hasToken(file: string | undefined): boolean {
  const { POSTERN_ENROLMENT_TOKEN: enrolment, POSTERN_TOKEN: access } = process.env;
  return file !== undefined || Boolean(enrolment?.trim() || access?.trim());
}

async function register(
  dataDir: string,
  values: Readonly<Record<string, string | boolean | undefined>>,
): Promise<void> {
  const args = Object.keys(registerOptions).flatMap(name => {
    const value = values[name];
    return typeof value === 'string' ? [`--${name}`, value] : [];
  });
  await registerMachine(['--data', dataDir, ...args]);
}

/** The end of an installation is the doctor's word. */
async function finish(log: CommandLog, dataDir: string, startedAfter: number): Promise<number> {
  const status = await waitUntilConnected(dataDir, startedAfter, connectLimitMs);
  log.note(`The connector is ${status.state}.`);
  const doctor = commands['doctor'];
  if (doctor === undefined) return reportStatus(status, false);
  const code = await (await doctor()).run(['--data', dataDir]);
  log.note(`The doctor ended with ${code}.`);
  return code;
}

async function printDocument(
  log: CommandLog,
  dataDir: string,
  { connectorId, isStarted, unit }: Installation,
  steps: readonly InstallStep[],
  startedAfter: number,
): Promise<number> {
  const status = isStarted ? await waitUntilConnected(dataDir, startedAfter, connectLimitMs) : null;
  const document = {
    version: connectorVersion,
    dataDir,
    connectorId,
    changed: steps.some(({ changed }) => changed),
    steps,
    state: status?.state ?? null,
    unit,
    logFile: log.file,
  };
  process.stdout.write(`${JSON.stringify(document)}\n`);
  return exitCodes.done;
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
