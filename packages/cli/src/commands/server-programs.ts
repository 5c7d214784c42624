import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';

/** Commands of the service's own program, which runs on the service's machine and is a package of its own. */
const serverCommands = [
  ['init', 'set up a service on this machine'],
  ['serve', 'run the service'],
  ['config', 'check or show the configuration of the service'],
  ['doctor', 'look for what is wrong with the service, and say what to do'],
  ['service', 'install the service as a system service'],
  ['backup', 'write a sealed backup of the service'],
  ['restore', 'restore a backup'],
  ['rollback', 'put the database from before the last migration back'],
  ['admin', 'get back in as an administrator, from the console of the service'],
] as const;

export function addServerPrograms(program: Command): void {
  for (const [name, summary] of serverCommands) {
    program
      .command(name)
      .summary(summary)
      // Everything after the name is the other program's to read, --help too.
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .helpGroup('On the machine of the service:')
      .action(() => runServerProgram(process.argv.slice(2)));
  }
}

async function runServerProgram(args: readonly string[]): Promise<void> {
  const program = serverProgram();
  const { execve } = process;
  if (execve !== undefined && process.platform !== 'win32') {
    // Replacing this process leaves one process to supervise, and signals reach the service directly.
    execve.call(
      process,
      process.execPath,
      [process.execPath, ...process.execArgv, program, ...args],
      process.env,
    );
  }
  process.exitCode = await runAsChild(program, args);
}

function serverProgram(): string {
  try {
    return fileURLToPath(import.meta.resolve('@postern/server/postern-server'));
  } catch (error) {
    throw new CliError('failed', 'The service is not installed on this machine.', {
      remedy: 'Install the package @postern/server beside this program.',
      cause: error,
    });
  }
}

function runAsChild(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, program, ...args], { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => child.kill(signal));
    }
    child.on('error', reject);
    child.on('exit', code => resolve(code ?? 1));
  });
}
