/** The operator's program: `serve`, `init`, `config`, `doctor`, `service`, `backup`, `restore`, `rollback`, `admin`. */
import { operatorProgram, reportFailure } from './operate/program.ts';
import { processTerminal } from './operate/terminal.ts';

try {
  const program = operatorProgram({
    environment: process.env,
    terminal: processTerminal,
    node: process.execPath,
    program: import.meta.filename,
    async serve(config, configFile) {
      // Loaded only here, so that the other commands start fast.
      const { startRelay } = await import('./relay.ts');
      await startRelay(config, configFile);
    },
  });
  await program.parseAsync(process.argv);
} catch (error) {
  const code = reportFailure(error, processTerminal);
  // A service that could not start has parts that run already; they would keep this process from ending.
  process.exit(code);
}
