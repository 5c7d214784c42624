import { runCommandLine } from '@postern/connector/command-line';
import type { Command } from 'commander';

/** Commands of the connector's own program: what they do is done on this machine, and described there. */
const connectorCommands: readonly (readonly [name: string, summary: string])[] = [
];

export function addConnectorProgram(parent: Command): void {
  for (const [name, summary] of connectorCommands) {
    parent
      .command(name)
      .summary(summary)
      // Everything after the name is the other program's to read, --help too.
      .helpOption(false)
      .allowUnknownOption()
      .allowExcessArguments()
      .action(async () => {
        const args = process.argv.slice(process.argv.indexOf('connector') + 1);
        process.exitCode = await runCommandLine(args);
      });
  }
}
