import { parseArgs } from 'node:util';
import { startInstalled } from '../installation/supervise.ts';
import { type ConnectorCommand, dataOption } from './command.ts';
import { reportStatus } from './status.ts';

export const restartCommand: ConnectorCommand = {
  name: 'restart',
  summary: 'restart the installed connector; requests in flight end first',
  options: `\
  --json                   one JSON document`,
  run: restart,
};

async function restart(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { ...dataOption, json: { type: 'boolean', default: false } },
  });
  return reportStatus(await startInstalled('restart', values.data), values.json);
}
