import { parseArgs } from 'node:util';
import { stopInstalled } from '../installation/supervise.ts';
import { type ConnectorCommand, dataOption, exitCodes } from './command.ts';

export const stopCommand: ConnectorCommand = {
  name: 'stop',
  summary: 'stop the installed connector; requests in flight end first',
  options: '',
  run: stop,
};

async function stop(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: dataOption });
  stopInstalled(values.data);
  process.stdout.write(
    'The connector has stopped. It starts again with the machine, or with "postern connector start".\n',
  );
  return exitCodes.done;
}
