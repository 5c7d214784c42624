import { CommanderError } from 'commander';
import { CliError, exitCodes, findCliError } from './cli-error.ts';
import { contextOf } from './command-context.ts';
import { createProgram } from './program.ts';
import { version } from './version.ts';

// A reader that has seen enough (`postern app list | head -1`) is no failure.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code !== 'EPIPE') {
    throw error;
  }
  process.exit();
});

const program = createProgram(version);
try {
  await program.parseAsync(process.argv);
} catch (error) {
  const failure = error instanceof CommanderError ? wrongUsage(error) : error;
  if (failure !== undefined) {
    contextOf(program).output.failure(failure);
    process.exitCode = exitCodes[findCliError(failure)?.code ?? 'failed'];
  }
}

/** Undefined for what is no failure: `--help` and `--version`, which commander ends with an error, too. */
function wrongUsage(error: CommanderError): CliError | undefined {
  if (error.exitCode === 0) {
    return undefined;
  }
  // A noun without its verb prints its help and says nothing else.
  if (error.code === 'commander.help') {
    return new CliError('usage', 'A command is missing.', { remedy: 'Choose one of those above.' });
  }
  const [message, ...hints] = error.message.replace(/^error: /, '').split('\n');
  return new CliError('usage', `${message[0].toUpperCase()}${message.slice(1).replace(/\.$/, '')}.`, {
    remedy: hints.join(' ') || '`postern --help` and `postern COMMAND --help` show what there is.',
  });
}
