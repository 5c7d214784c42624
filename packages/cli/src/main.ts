import { CommanderError } from 'commander';
import { exitCodes, findCliError } from './cli-error.ts';
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
  if (error instanceof CommanderError) {
    // commander has written its help or its message; what it calls 1 is wrong usage.
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  } else {
    contextOf(program).output.failure(error);
    process.exitCode = exitCodes[findCliError(error)?.code ?? 'failed'];
  }
}
