import { parseArgs } from 'node:util';
import { logLevels } from '../events/log.ts';
import { runConnector } from '../run.ts';
import { type ConnectorCommand, dataDirOf, dataOption, exitCodes, UsageError } from './command.ts';

export const runCommand: ConnectorCommand = {
  name: 'run',
  summary: 'run the connector in the foreground',
  options: `\
  --allow <entry>          dial only this: a network (10.0.0.0/8) or a host with or without a port (wiki.corp:443);
                           may be repeated, and given in Config/connector.json
  --session-log            keep a session log: a line for each request, without its content
  --log-level <level>      debug, info, warn or error (default: info)`,
  run,
};

async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...dataOption,
      allow: { type: 'string', multiple: true, default: [] },
      'session-log': { type: 'boolean' },
      'log-level': { type: 'string', default: 'info' },
    },
  });
  const logLevel = logLevels.find(level => level === values['log-level']);
  if (logLevel === undefined) throw new UsageError(`--log-level is one of ${logLevels.join(', ')}.`);
  await runConnector({
    dataDir: dataDirOf(values.data),
    allow: values.allow,
    logLevel,
    sessionLog: values['session-log'],
  });
  return exitCodes.done;
}
