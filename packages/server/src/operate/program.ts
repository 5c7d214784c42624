import { existsSync, readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { stringify } from 'yaml';
import {
  checkCertificateNames,
  describeCertificateFindings,
  requiredNames,
} from '../config/certificate-names.ts';
import { ConfigError, configFile, type Environment, formatProblem, loadConfig } from '../config/load.ts';
import { writeManual } from '../config/manual.ts';
import { type Config, formatEndpoint } from '../config/schema.ts';
import { serviceOutbound } from '../outbound/service-outbound.ts';
import { StoreError } from '../store/store-error.ts';
import type { InitOptions } from './init.ts';
import { OperateError, operateExitCodes } from './operate-error.ts';
import { requireSetUp } from './require-set-up.ts';
import { readPassphrase, type Terminal } from './terminal.ts';

/** What the operator program needs from the process that it runs in. */
export interface OperatorParts {
  readonly environment: Environment;
  readonly terminal: Terminal;
  /** Runs the service until it is told to stop. */
  serve(config: Config, configFile: string): Promise<void>;
  /** Absolute paths of the Node binary and of this program, for the units of systemd. */
  readonly node: string;
  readonly program: string;
}

interface WithConfig {
  readonly config?: string;
}

const defaultUnitDir = '/etc/systemd/system';

/**
 * The operator's command line: everything that is done on the machine of the service. Each command loads its own parts
 * when it runs, because `serve` becomes the relay, and what the other commands need would stay in its memory.
 */
export function operatorProgram(parts: OperatorParts): Command {
  const program = new Command('postern')
    .description('Run and keep a Postern service, on its own machine.')
    .exitOverride()
    // What commander says about wrong usage is said by reportFailure, in the form of every other failure.
    .configureOutput({ outputError: () => undefined });
  addServe(program, parts);
  addInit(program, parts);
  addConfig(program, parts);
  addDoctor(program, parts);
  addService(program, parts);
  addBackup(program, parts);
  addRollback(program, parts);
  addAdmin(program, parts);
  return program;
}

/**
 * Tells a failure to the operator.
 *
 * @returns The exit code; 0 for what is no failure: `--help`, which commander ends with an error, too.
 */
export function reportFailure(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    terminal.note(`postern: ${describeWrongUsage(error)}`);
    return 2;
  }
  if (error instanceof OperateError) {
    terminal.note(`postern: ${error.message}`);
    if (error.remedy) terminal.note(`  ${error.remedy}`);
    return operateExitCodes[error.code];
  }
  if (error instanceof ConfigError) {
    terminal.note(
      error.problems.length === 0
        ? `postern: ${error.message}`
        : 'postern: the configuration cannot be used:',
    );
    for (const problem of error.problems) terminal.note(`  ${formatProblem(problem)}`);
    return 2;
  }
  if (error instanceof StoreError) {
    terminal.note(`postern: ${error.message}`);
    return 1;
  }
  terminal.note(`postern: ${describeUnknown(error)}`);
  return 1;
}

function describeWrongUsage({ code, message }: CommanderError): string {
  // A noun without its verb has printed its help.
  if (code === 'commander.help') return 'A command is missing.\n  Choose one of those above.';
  const [problem = '', ...hints] = message.replace(/^error: /, '').split('\n');
  const sentence = `${problem.charAt(0).toUpperCase()}${problem.slice(1).replace(/\.$/, '')}.`;
  return `${sentence}\n  ${hints.join(' ') || '`postern COMMAND --help` shows the options.'}`;
}

type ListenError = NodeJS.ErrnoException & { readonly address?: string; readonly port?: number };

function describeUnknown(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, path: file, address, port } = error as ListenError;
  if (code === 'EADDRINUSE') {
    return `another program uses port ${port} of ${address}. End it, or choose another address in the option listen.`;
  }
  if (port !== undefined && code === 'EACCES') {
    return `this user may not listen on port ${port}. Run as root, or let \`postern service install\` hold the ports.`;
  }
  if (code === 'EADDRNOTAVAIL') return `this machine has no address ${address}. Correct the option listen.`;
  const place = file === undefined ? 'a file' : file;
  if (code === 'EACCES' || code === 'EPERM')
    return `${place} cannot be used: this user may not. Run as its owner or as root.`;
  if (code === 'EROFS') return `${place} is on a read-only disk. Choose a folder that can be written to.`;
  if (code === 'ENOSPC') return `${place} cannot be written: the disk is full.`;
  return error.message;
}

function addServe(program: Command, { environment, serve, terminal }: OperatorParts): void {
  withConfigOption(program.command('serve'))
    .description('Run the service in the foreground.')
    .action(async (options: WithConfig) => {
      const config = loadConfig(options.config, environment);
      requireSetUp(config);
      requireUsableProxy(config, environment);
      const findings = checkCertificateNames(config, requiredNames(config), Date.now());
      // The control process makes, gets and renews these; at the first start they may not be there yet.
      if (!getsItsOwn(config)) {
        for (const line of describeCertificateFindings(findings)) terminal.note(`postern: ${line}`);
      }
      await serve(config, configFile(options.config, environment));
    });
}

/** Other programs may know proxies of other kinds; the service must not go another way than it is told. */
function requireUsableProxy(config: Config, environment: Environment): void {
  try {
    serviceOutbound(config, environment);
  } catch (cause) {
    throw new OperateError('usage', (cause as Error).message, {
      remedy:
        'Take the variable out of the environment of the service, or set outboundProxy.url, which wins over it.',
      cause,
    });
  }
}

function addInit(program: Command, { environment, terminal }: OperatorParts): void {
  const collect = (value: string, before: string[] | undefined) => [...(before ?? []), value];
  withConfigOption(program.command('init'))
    .description('Set up a service: configuration, data folder, keys and the first administrator.')
    .option('--domain <domain>', 'the service’s own domain, such as access.example.com')
    .addOption(
      new Option('--certificates <source>', 'where certificates come from').choices([
        'files',
        'acme',
        'local',
      ]),
    )
    .option('--certificate <file>', 'certificate with its chain, PEM; may be repeated', collect)
    .option('--key <file>', 'its private key, PEM; in the same order', collect)
    .option('--acme-directory <url>', 'ACME directory of the authority (default: Let’s Encrypt’s)')
    .option('--acme-terms-agreed', 'you have read the terms of service that it names, and agree')
    .option('--acme-email <address>', 'where the authority may write to')
    .option('--admin <name>', 'name of the first administrator (default: admin@<domain>)')
    .option('--data <folder>', 'data folder (default: /var/lib/postern)')
    .option('--public-port <port>', 'port that browsers use (default: 443)')
    .option('--https <addresses>', 'addresses for browsers and connectors, with commas between them')
    .option('--http <addresses>', 'addresses for plain HTTP, or off')
    .option('--private <addresses>', 'addresses for metrics and health, or off')
    .option('--json', 'print one JSON document')
    .action(async (options: Omit<InitOptions, 'config'> & WithConfig) => {
      const { describeSetUp, flagProblems, init, setUpDocument } = await import('./init.ts');
      const file = configFile(options.config, environment);
      try {
        const setUp = await init({ ...options, config: file }, environment, terminal);
        terminal.print(options.json ? JSON.stringify(setUpDocument(setUp)) : describeSetUp(setUp));
      } catch (error) {
        const problems = flagProblems(error);
        if (problems.length === 0) throw error;
        throw new OperateError('usage', `Nothing was set up. ${problems.join('; ')}`, {
          remedy: 'Run the command again with other values.',
        });
      }
    });
}

/** Whether certificates come to be without files that somebody puts there. */
function getsItsOwn({ certificates }: Config): boolean {
  return certificates.local || certificates.acme.directoryUrl !== '';
}

function addConfig(program: Command, { environment, terminal }: OperatorParts): void {
  const config = program.command('config').description('Check, show or explain the configuration.');
  withConfigOption(config.command('check'))
    .description('Name every problem of the configuration and its certificates; exit code 2 if there is one.')
    .action((options: WithConfig) => {
      const loaded = loadConfig(options.config, environment);
      const findings = describeCertificateFindings(
        checkCertificateNames(loaded, requiredNames(loaded), Date.now()),
      );
      const hasNoFiles = loaded.certificates.files.length === 0;
      if (findings.length > 0 && !(hasNoFiles && getsItsOwn(loaded)))
        throw new OperateError('usage', findings.join('\n  '));
      terminal.print(`${configFile(options.config, environment)}: no problems found.`);
    });
  withConfigOption(config.command('show'))
    .description('Print the configuration in force, defaults and environment included.')
    .option('--json', 'print it as JSON')
    .action((options: WithConfig & { json?: boolean }) => {
      const document = asWritten(loadConfig(options.config, environment));
      terminal.print(options.json ? JSON.stringify(document, null, 2) : stringify(document).trimEnd());
    });
  config
    .command('manual')
    .description('Print the manual of all options, Markdown.')
    .action(() => terminal.print(writeManual().trimEnd()));
}

function addDoctor(program: Command, { environment, terminal }: OperatorParts): void {
  withConfigOption(program.command('doctor'))
    .description(
      'Look for what is wrong with the service, whether it runs or not, and say what to do. The exit code is that of the first group in which something failed: names 10, ports 20, clock 30, store 40, keys 50, alerts 60, machine 70.',
    )
    .option('--json', 'print one JSON document')
    .action(async (options: WithConfig & { json?: boolean }) => {
      const { runDoctorCommand } = await import('../doctor/command.ts');
      const request = {
        config: loadConfig(options.config, environment),
        configFile: configFile(options.config, environment),
        environment,
        isJson: options.json === true,
      };
      process.exitCode = await runDoctorCommand(request, terminal);
    });
}

function addService(program: Command, { environment, terminal, node, program: file }: OperatorParts): void {
  const service = program.command('service').description('Run the service under systemd.');
  withConfigOption(service.command('install'))
    .description('Write the units, make the service’s user, start the service.')
    .option('--user <name>', 'user that the service runs as', 'postern')
    .option('--unit-dir <folder>', 'folder of the units', defaultUnitDir)
    .option('--no-start', 'write the units, start nothing')
    .option('--print', 'print the units, change nothing')
    .action(
      async (options: WithConfig & { user: string; unitDir: string; start: boolean; print?: boolean }) => {
        const { installService, writeUnits } = await import('./service-units.ts');
        const units = {
          config: loadConfig(options.config, environment),
          configFile: configFile(options.config, environment),
          user: options.user,
          node,
          program: file,
        };
        if (options.print) {
          for (const [name, text] of Object.entries(writeUnits(units))) terminal.print(`# ${name}\n${text}`);
          return;
        }
        const done = installService({ ...units, unitDir: options.unitDir, start: options.start });
        for (const line of done) terminal.print(line);
      },
    );
  service
    .command('uninstall')
    .description('Stop the service and remove its units; the data stays.')
    .option('--unit-dir <folder>', 'folder of the units', defaultUnitDir)
    .option('--no-stop', 'remove the units, stop nothing')
    .action(async (options: { unitDir: string; stop: boolean }) => {
      const { uninstallService } = await import('./service-units.ts');
      for (const line of uninstallService(options)) terminal.print(line);
    });
}

function addBackup(program: Command, { environment, terminal }: OperatorParts): void {
  withConfigOption(program.command('backup'))
    .description('Write database, configuration and keys into one file, sealed by a passphrase.')
    .argument('<file>', 'the file to write')
    .option(
      '--passphrase-file <file>',
      'read the passphrase from a file (else: asked for, or standard input)',
    )
    .action(async (file: string, options: WithConfig & { passphraseFile?: string }) => {
      const { backUp } = await import('./backup.ts');
      const passphrase = await readPassphrase(terminal, options.passphraseFile, { confirm: true });
      const names = backUp(configFile(options.config, environment), environment, file, passphrase);
      terminal.print(`${file} holds ${names.map(name => name.replace(/^file:/, '')).join(', ')}.`);
      terminal.print(
        'Keep it on another machine, and the passphrase in another place: without it nobody can open it.',
      );
    });
  withConfigOption(program.command('restore'))
    .description('Put a backup back, on this machine or another. Overwrites nothing.')
    .argument('<file>', 'the backup')
    .option('--data <folder>', 'data folder, where it is to be another than before')
    .option(
      '--passphrase-file <file>',
      'read the passphrase from a file (else: asked for, or standard input)',
    )
    .action(async (file: string, options: WithConfig & { data?: string; passphraseFile?: string }) => {
      if (!existsSync(file)) {
        throw new OperateError('usage', `There is no file ${file}.`, {
          remedy: 'Name a file of `postern backup`.',
        });
      }
      const { restore } = await import('./backup.ts');
      const passphrase = await readPassphrase(terminal, options.passphraseFile, { confirm: false });
      const target = { configFile: configFile(options.config, environment), dataDir: options.data };
      const restored = restore(readFileSync(file), passphrase, target, environment);
      terminal.print(
        `The backup of ${restored.createdAt} is in ${restored.config.dataDir}, with ${target.configFile}.`,
      );
      for (const kept of restored.kept) {
        terminal.note(`postern: ${kept} is there already and differs from the backup; it was left as it is.`);
      }
      terminal.print('What was revoked or signed out since that time counts again; revoke it once more.');
    });
}

function addRollback(program: Command, { environment, terminal }: OperatorParts): void {
  withConfigOption(program.command('rollback'))
    .description('Put back the database from before the last migration, after an upgrade that went wrong.')
    .option('--yes', 'do it without asking')
    .action(async (options: WithConfig & { yes?: boolean }) => {
      const { describeRollback, planRollback, rollBack } = await import('./rollback.ts');
      const { giveToOwner } = await import('./open-data.ts');
      const config = loadConfig(options.config, environment);
      const plan = planRollback(config);
      terminal.print(describeRollback(plan));
      if (!options.yes && !(await confirmed(terminal))) {
        throw new OperateError('failed', 'Nothing was changed.', {
          remedy: 'To do it: postern rollback --yes',
        });
      }
      const kept = await rollBack(config, plan, Date.now());
      giveToOwner(config.dataDir);
      terminal.print(`\nDone. The database as it was is kept in ${kept}.`);
      terminal.print(
        'Install the previous release before you start the service: this one would migrate again.',
      );
    });
}

async function confirmed(terminal: Terminal): Promise<boolean> {
  if (!terminal.isInteractive) return false;
  return /^y(es)?$/i.test(await terminal.ask('\nPut the copy back? (yes/no)', 'no'));
}

function addAdmin(program: Command, { environment, terminal }: OperatorParts): void {
  const admin = program.command('admin').description('Get back in as an administrator.');
  withConfigOption(admin.command('recover'))
    .description('Print a single-use link with which an administrator chooses a new password.')
    .option('--user <name>', 'the account (default: the only Global Administrator)')
    .option('--json', 'print one JSON document')
    .action(async (options: WithConfig & { user?: string; json?: boolean }) => {
      const config = loadConfig(options.config, environment);
      requireSetUp(config);
      const { giveToOwner, openData } = await import('./open-data.ts');
      const { recoverAdministrator } = await import('./administrator.ts');
      await using data = await openData(config, environment);
      const { user, link, needsRestart } = await recoverAdministrator(
        data.db,
        config,
        options.user,
        Date.now(),
      );
      giveToOwner(config.dataDir);
      const expiresAt = new Date(link.expiresAt).toISOString();
      if (options.json) {
        terminal.print(
          JSON.stringify({ user: user.userPrincipalName, link: link.url, expiresAt, needsRestart }),
        );
        return;
      }
      terminal.print(`${user.userPrincipalName} chooses a new password at (works once, until ${expiresAt}):`);
      terminal.print(`  ${link.url}`);
      if (needsRestart)
        terminal.print('The account or its role was given back: restart the service for that to count.');
    });
}

function withConfigOption(command: Command): Command {
  return command.option(
    '--config <file>',
    'configuration file (default: POSTERN_CONFIG, else /etc/postern/postern.yaml)',
  );
}

// Addresses are objects in the program and `host:port` in the file.
function asWritten(config: Config): Record<string, unknown> {
  const { listen } = config;
  return {
    ...config,
    listen: {
      https: listen.https.map(formatEndpoint),
      http: listen.http.map(formatEndpoint),
      private: listen.private.map(formatEndpoint),
    },
  };
}
