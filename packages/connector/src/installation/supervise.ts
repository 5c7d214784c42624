import { readServiceSettings } from '../identity/service-settings.ts';
import type { ConnectorStatus } from '../status.ts';
import { InstallationError } from './installation-error.ts';
import { places, serviceUnit } from './places.ts';
import { isServiceActive, requireRoot, requireService, systemctl } from './systemd.ts';
import { installedDataDir } from './unit.ts';
import { waitUntilConnected } from './wait-until-connected.ts';

/** A healthy connector has its tunnel long before; after that it goes on trying by itself. */
const connectLimitMs = 15_000;

/**
 * Starts or restarts the installed connector, and gives it a moment to connect. At a restart requests in flight end
 * first; where another connector of the group is up, new ones go there, and none is lost.
 *
 * @param dataOption What `--data` says; it has to be the folder that was installed.
 * @throws InstallationError
 */
export async function startInstalled(
  verb: 'start' | 'restart',
  dataOption?: string,
): Promise<ConnectorStatus> {
  const dataDir = requireInstalled(dataOption);
  await requireRegistered(dataDir);
  const isRunningOn = verb === 'start' && isServiceActive();
  const startedAfter = isRunningOn ? 0 : Date.now();
  // Whoever has mended what kept it from starting need not know of systemd's count of failures.
  systemctl('reset-failed', serviceUnit);
  systemctl(verb, serviceUnit);
  return waitUntilConnected(dataDir, startedAfter, connectLimitMs);
}

/** Stops the installed connector; requests in flight end first. @throws InstallationError */
export function stopInstalled(dataOption?: string): void {
  requireInstalled(dataOption);
  systemctl('stop', serviceUnit);
}

/** @returns the data folder that the unit names. */
function requireInstalled(dataOption: string | undefined): string {
  requireService(places);
  requireRoot();
  const dataDir = installedDataDir(places) ?? '';
  if (dataOption === undefined || dataOption === dataDir) return dataDir;
  throw new InstallationError(
    'not_installed',
    `The connector that is installed on this machine has the data folder ${dataDir}, not ${dataOption}.`,
    'Leave --data out; or run "postern connector install" with it, which changes the service.',
  );
}

async function requireRegistered(dataDir: string): Promise<void> {
  if ((await readServiceSettings(dataDir)) !== null) return;
  throw new InstallationError(
    'not_registered',
    'The connector is installed, but not registered, and there is nothing to start.',
    `Register it with "postern connector register --data ${dataDir}".`,
  );
}
