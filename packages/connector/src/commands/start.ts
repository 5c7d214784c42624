import { parseArgs } from 'node:util';
import { startInstalled } from '../installation/supervise.ts';
import { type ConnectorCommand, dataOption } from './command.ts';
import { reportStatus } from './status.ts';

export const startCommand: ConnectorCommand = {
  name: 'start',
  summary: 'start the installed connector; exit code 3 says that it is not connected yet',
  options: `\
  --json                   one JSON document`,
  run: start,
};

async function start(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { ...dataOption, json: { type: 'boolean', default: false } },
  });
  return reportStatus(await startInstalled('start', values.data), values.json);
}
