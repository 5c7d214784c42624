import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { asDataOwner } from '../identity/data-owner.ts';
import { readServiceSettings } from '../identity/service-settings.ts';
import { type Places, serviceUnit, serviceUser } from './places.ts';
import { removeProgram } from './program-files.ts';
import { removeServiceUser } from './service-user.ts';
import { isSystemdRunning, requireRoot, systemctl } from './systemd.ts';
import { removeUnit } from './unit.ts';

export interface UninstallOptions {
  readonly places: Places;
  readonly dataDir: string;
  /** Leave identity and settings where they are, and the connector at the service. */
  readonly keepIdentity: boolean;
  /** Has the service revoke this connector; rejects where it cannot. */
  readonly leave: (dataDir: string) => Promise<void>;
  /** A sentence about what was done, or about what stays. */
  readonly onStep: (text: string) => void;
}

/** What the connector keeps in its data folder; anything else there is somebody's own. */
const ownEntries = ['Config', 'certificates', 'logs', 'run'];

/**
 * Removes the connector from this machine and, with its identity, from the service.
 *
 * @throws InstallationError
 */
export async function uninstallConnector(options: UninstallOptions): Promise<void> {
  const { places, dataDir, keepIdentity, onStep } = options;
  requireRoot();
  if (isSystemdRunning() && existsSync(join(places.units, serviceUnit))) {
    systemctl('disable', '--now', '--quiet', serviceUnit);
    onStep(`${serviceUnit} stopped.`);
  }
  if (removeUnit(places)) {
    if (isSystemdRunning()) systemctl('daemon-reload');
    onStep(`${join(places.units, serviceUnit)} removed.`);
  }
  if (removeProgram(places)) onStep(`The program in ${places.programs} removed.`);
  if (keepIdentity) {
    onStep(`${dataDir} and user ${serviceUser} stay, and so does the connector at the service.`);
    return;
  }
  await leaveService(options);
  await removeData(dataDir, onStep);
  if (removeServiceUser(serviceUser)) onStep(`User ${serviceUser} removed.`);
  if (existsSync(places.environmentFile)) {
    onStep(`${places.environmentFile} stays: it was made by an administrator.`);
  }
}

async function leaveService({ dataDir, leave, onStep }: UninstallOptions): Promise<void> {
  const known = existsSync(dataDir) ? await readServiceSettings(dataDir).catch(() => null) : null;
  if (known === null) return;
  try {
    await leave(dataDir);
    onStep(`Connector ${known.connectorId} revoked at ${known.connectHost}.`);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    onStep(
      `Connector ${known.connectorId} stays at the service (${why}). Revoke it there: ` +
        `postern connector revoke ${known.connectorId}`,
    );
  }
}

async function removeData(dataDir: string, onStep: (text: string) => void): Promise<void> {
  if (!existsSync(dataDir)) return;
  await asDataOwner(dataDir, async () => {
    for (const name of ownEntries) rmSync(join(dataDir, name), { recursive: true, force: true });
  });
  const left = readdirSync(dataDir);
  if (left.length > 0) {
    onStep(`${dataDir} stays, because of ${left.join(', ')}, which the connector did not make.`);
    return;
  }
  rmdirSync(dataDir);
  onStep(`${dataDir} removed, with identity and settings.`);
}
