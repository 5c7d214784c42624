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
  ['requirements', 'show the names and ports that this machine has to reach'],
];

export function addConnectorProgram(parent: Command): void {
  for (const [name, summary] of connectorCommands) {
    addOwnCommand(parent, name, summary).action(runConnectorProgram);
  }
}

/** A command that the connector's own program reads for itself: everything after its name, `--help` too. */
export function addOwnCommand(parent: Command, name: string, summary: string): Command {
  return parent.command(name).summary(summary).helpOption(false).allowUnknownOption().allowExcessArguments();
}

/** Runs the connector's own program with what stands after `connector`. */
export async function runConnectorProgram(): Promise<void> {
  const args = process.argv.slice(process.argv.indexOf('connector') + 1);
  process.exitCode = await runCommandLine(args, 'postern connector');
}
