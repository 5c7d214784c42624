import type { Command } from 'commander';
import { createProgram, epilogue } from './program.ts';
import { version } from './version.ts';

/** docs/cli.md: the help of every command, in the order of `postern --help`. */
export function writeManual(): string {
  const program = createProgram(version);
  const sections = [
    section('postern', `${program.helpInformation()}${epilogue}`),
    ...commandsBelow(program).map(command => section(nameOf(command), withoutGlobalOptions(command))),
  ];
  return `# Command line\n\nMade from the program's own help by \`node packages/cli/src/write-manual.ts\`.\n\n${sections.join('\n')}`;
}

function section(name: string, help: string): string {
  return `## ${name}\n\n\`\`\`text\n${help.trimEnd()}\n\`\`\`\n`;
}

/** They are the same everywhere, and stand in the first section. */
function withoutGlobalOptions(command: Command): string {
  return command.helpInformation().replace(/\nGlobal Options:\n[\s\S]*$/, '');
}

/** Commands with something of their own to say: what belongs to the service's program is described there. */
function commandsBelow(parent: Command): Command[] {
  return parent.commands
    .filter(command =>
      command
        .createHelp()
        .visibleOptions(command)
        .some(option => option.long === '--help'),
    )
    .flatMap(command => [command, ...commandsBelow(command)]);
}

function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}
