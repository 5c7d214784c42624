import { runCommandLine } from '@postern/connector/command-line';
import type { Command } from 'commander';

/** Commands of the connector's own program: what they do is done on this machine, and described there. */
const connectorCommands: readonly (readonly [name: string, summary: string])[] = [
  ['install', 'make the connector of this machine a system service'],
  ['uninstall', 'remove it from this machine and from its service'],
  ['start', 'start it'],
  ['stop', 'stop it; requests in flight end first'],
  ['restart', 'restart it; requests in flight end first'],
  ['events', 'show the logs of the connector of this machine'],
  ['certificates', 'list the certificates of the connector of this machine, or prune them'],
  ['doctor', 'look for what is wrong on this machine, and say what to do'],
  ['requirements', 'show the names and ports that this machine has to reach'],
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
