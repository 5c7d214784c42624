import { type ConnectorCommand, exitCodes, UsageError } from './commands/command.ts';
import { describeFailure } from './commands/describe-failure.ts';
import { commands } from './commands/table.ts';
import { IdentityError } from './identity/identity-error.ts';
import { connectorVersion } from './version.ts';

/**
 * Runs a command of the connector's own program.
 *
 * @param args Without interpreter and script.
 * @param program What was typed before them.
 * @returns the exit code.
 */
export async function runCommandLine(
  args: readonly string[],
  program = 'postern-connector',
): Promise<number> {
  const [name = '', ...rest] = args;
  switch (name) {
    case '--version':
      process.stdout.write(`${connectorVersion}\n`);
      return exitCodes.done;
    case '':
    case 'help':
    case '--help':
      process.stdout.write(await usage(program));
      return name === '' ? exitCodes.notUnderstood : exitCodes.done;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) return explainUsage(`There is no command "${name}".`, program);
  const command = await load();
  if (rest.includes('--help')) {
    process.stdout.write(usageOf(command, program));
    return exitCodes.done;
  }
  try {
    return await command.run(rest);
  } catch (error) {
    return explain(error, name, program);
  }
}

const everywhere = `\
  --data <folder>          the connector's folder (default: $POSTERN_CONNECTOR_DATA, else /var/lib/postern-connector)`;

async function usage(program: string): Promise<string> {
  const all = await Promise.all(Object.values(commands).map(load => load()));
  const width = Math.max(...all.map(({ name }) => name.length));
  return `Usage: ${program} <command> [options]

Commands:
${all.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}

"${program} <command> --help" shows a command's options; "--version" prints the version.

Exit codes: 0 done, 1 failed, 2 not understood; others with the command.
`;
}

function usageOf({ name, summary, options }: ConnectorCommand, program: string): string {
  const own = options === '' ? '' : `${options}\n`;
  return `Usage: ${program} ${name} [options]\n\n${capitalized(summary)}.\n\nOptions:\n${own}${everywhere}\n`;
}

function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function explainUsage(problem: string, command: string): number {
  // Node's own words for an unknown option end without a full stop.
  const sentence = /[.!?]$/.test(problem) ? problem : `${problem}.`;
  process.stderr.write(`${sentence} See "${command} --help".\n`);
  return exitCodes.notUnderstood;
}

function explain(error: unknown, name: string, program: string): number {
  if (isUsageError(error)) return explainUsage(error.message, `${program} ${name}`);
  process.stderr.write(describeFailure(error));
  // Whoever supervises the connector has to know that starting it again would change nothing.
  return name === 'run' && error instanceof IdentityError ? exitCodes.unusableIdentity : exitCodes.failed;
}

function isUsageError(error: unknown): error is Error {
  return (
    error instanceof UsageError ||
    error instanceof RangeError ||
    (error instanceof Error && (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true)
  );
}
