import { doctorReport } from '@postern/protocol/doctor';
import { formatFindings, formatLine } from '@postern/protocol/doctor/format-report';
import type { Command } from 'commander';
import { type CommandContext, connectAdmin, contextOf } from '../../command-context.ts';
import { findConnector, publishingPath } from '../../find-object.ts';
import { addOwnCommand, runConnectorProgram } from './connector-program.ts';

interface DoctorOptions {
  readonly connector?: string;
}

const ofAnother = `
With postern:
  --connector <connector>  ask a connected connector, by machine name or id, through the service you are signed in to;
                           it looks at itself, and its report is printed here
`;

/** `doctor`: of this machine by the connector's own program; with `--connector`, of one that is connected. */
export function addConnectorDoctor(parent: Command): void {
  const summary = 'look for what is wrong on this machine or with a connected connector, and say what to do';
  addOwnCommand(parent, 'doctor', summary)
    .option('--connector <connector>', 'machine name or id')
    .action(async ({ connector }: DoctorOptions, command: Command) => {
      if (connector !== undefined) return askConnector(contextOf(command), connector);
      await runConnectorProgram();
      if (command.args.some(one => one === '--help' || one === '-h')) process.stdout.write(ofAnother);
    });
}

async function askConnector(context: CommandContext, nameOrId: string): Promise<void> {
  const admin = await connectAdmin(context);
  const { id, machineName } = await findConnector(admin, nameOrId);
  context.output.progress(`${machineName} looks at itself; that takes some seconds.`);
  const report = await admin.post(`${publishingPath}/connectors/${id}/doctor`, undefined, doctorReport);
  const lines = report.results.map(formatLine).join('');
  context.output.result(report, `${lines}${formatFindings(report).trimEnd()}`);
  process.exitCode = report.exitCode;
}
