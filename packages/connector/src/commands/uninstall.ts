import { parseArgs } from 'node:util';
import { withCommandLog } from '../installation/command-log.ts';
import { places } from '../installation/places.ts';
import { uninstallConnector } from '../installation/uninstall.ts';
import { installedDataDir } from '../installation/unit.ts';
import { type ConnectorCommand, dataDirOf, dataOption, exitCodes } from './command.ts';

export const uninstallCommand: ConnectorCommand = {
  name: 'uninstall',
  summary: 'remove the connector from this machine and from its service',
  options: `\
  --keep-identity          leave the data folder, its user and the connector at the service`,
  run: uninstall,
};

async function uninstall(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: { ...dataOption, 'keep-identity': { type: 'boolean', default: false } },
  });
  await withCommandLog('uninstall', async log => {
    const { leaveService } = await import('../installation/leave-service.ts');
    await uninstallConnector({
      places,
      dataDir: values.data ?? installedDataDir(places) ?? dataDirOf(undefined),
      keepIdentity: values['keep-identity'],
      leave: leaveService,
      onStep: text => {
        log.note(text);
        process.stdout.write(`${text}\n`);
      },
    });
  });
  return exitCodes.done;
}
